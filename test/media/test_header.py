import cv2
import numpy as np
import pytest

from mtv_perception.errors import DatasetError
from mtv_perception.media.header import image_size, is_whole


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tiff"])
@pytest.mark.parametrize("size_hw", [(1, 1), (40, 60), (301, 7)])
def test_size_of_every_format(tmp_path, write_image, suffix, size_hw):
    assert image_size(write_image(tmp_path / f"a.{suffix}", size_hw)) == size_hw


def test_progressive_and_grey_jpeg(tmp_path):
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.zeros((30, 50), np.uint8), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])
    assert image_size(path) == (30, 50)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_exif_orientation_turns_the_size_as_it_turns_the_image(tmp_path, write_image, orientation):
    path = write_image(tmp_path / "a.jpg", (30, 50))
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + bytes(
        [0, orientation, 0, 0, 0, 0, 0, 0]
    )
    body = b"Exif\0\0" + tiff
    content = path.read_bytes()
    path.write_bytes(
        content[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + content[2:]
    )
    assert image_size(path) == cv2.imread(str(path)).shape[:2]
    assert image_size(path) == ((50, 30) if orientation in (6, 8) else (30, 50))


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0\0" * 9, b"text"]
)
def test_no_image(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="could not decode"):
        image_size(path)


def test_no_file(tmp_path):
    with pytest.raises(DatasetError, match="could not read"):
        image_size(tmp_path / "gone.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_truncated_file_is_told_from_one_with_more_behind_it(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8))
    content = path.read_bytes()
    for end in (b"", b"\0" * 20, b"\r\n", b"a second picture" * 10):
        path.write_bytes(content + end)
        assert is_whole(path)
    for length in (3, 10, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert not is_whole(path)


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_image(tmp_path):
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8))
    content, thumbnail = path.read_bytes(), b"\xff\xe1\x00\x0cthumb\xff\xd8\xff\xd9-"
    path.write_bytes(content[:2] + thumbnail + content[2:] + b"more behind it")
    assert is_whole(path)
    path.write_bytes(content[:2] + thumbnail + content[2:-2])
    assert not is_whole(path)
