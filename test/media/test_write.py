"""Images are written whole, or an error names the file."""

import os

import cv2
import numpy as np
import pytest

from mtv_perception.errors import ImageError
from mtv_perception.media.decode import read_image
from mtv_perception.media.write import is_utf8, utf8, write_image


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".ppm"])
def test_what_is_written_without_loss_reads_back(tmp_path, suffix):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    write_image(tmp_path / f"a{suffix}", pixels)
    found = read_image(tmp_path / f"a{suffix}")
    assert suffix == ".webp" or np.array_equal(found, pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".JPG", ".jpeg", ".jfif"])
def test_a_jpeg_has_the_quality_that_was_asked_for(tmp_path, suffix):
    pixels = cv2.resize(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8), (64, 64))
    for quality in (20, 95):
        write_image(tmp_path / f"{quality}{suffix}", pixels, quality)
    low, high = ((tmp_path / f"{quality}{suffix}") for quality in (20, 95))
    assert low.stat().st_size < high.stat().st_size
    assert np.abs(read_image(high).astype(int) - pixels).mean() < 3


def test_a_mask_is_written_as_it_is(tmp_path):
    mask = np.random.default_rng(0).integers(0, 256, (20, 30), np.uint8)
    write_image(tmp_path / "a.png", mask)
    assert np.array_equal(cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED), mask)


@pytest.mark.parametrize("name", ["a", "a.xyz"])
def test_a_suffix_that_is_no_image_is_named(tmp_path, name):
    with pytest.raises(ImageError, match=f"{name}: Expected an image and its suffix"):
        write_image(tmp_path / name, np.zeros((4, 4, 3), np.uint8))


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(OSError, match="none"):
        write_image(tmp_path / "none" / "a.png", np.zeros((4, 4, 3), np.uint8))


def test_names_that_are_not_utf8(tmp_path):
    odd = os.fsdecode(b"caf\xe9")
    write_image(tmp_path / f"{odd}.png", np.zeros((4, 4, 3), np.uint8))
    assert os.listdir(os.fsencode(tmp_path)) == [b"caf\xe9.png"]
    assert (utf8(odd), utf8("café")) == ("caf\ufffd", "café")
    assert not is_utf8(tmp_path / odd) and is_utf8(tmp_path / "café")


@pytest.mark.parametrize(
    ("name", "size_hw"), [("a.jpg", (1, 65_536)), ("a.webp", (16_384, 1)), ("a.png", (0, 4))]
)
def test_a_size_that_a_format_can_not_hold_is_named(tmp_path, name, size_hw):
    with pytest.raises(ImageError, match=name):
        write_image(tmp_path / name, np.zeros((*size_hw, 3), np.uint8))
    assert not (tmp_path / name).exists()
