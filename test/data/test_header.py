import cv2
import numpy as np
import pytest

from mtv_perception.data.header import image_size
from mtv_perception.errors import DatasetError


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
    tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + bytes([0, orientation, 0, 0, 0, 0, 0, 0])
    body = b"Exif\0\0" + tiff
    content = path.read_bytes()
    path.write_bytes(content[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + content[2:])
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
