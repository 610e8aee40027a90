"""Videos whose container asks for a turn, as telephones write them: upright in every decoder."""

import struct

import cv2
import numpy as np
import pytest

from mtv_perception.media.files import lazy_files

SIZE_HW = (48, 64)
# Degrees clockwise that a container asks for, and what a camera held that way has stored.
STORED = {
    0: None,
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_CLOCKWISE,
}
# Cosine and sine of the turn in the matrix of a track header (ISO 14496-12, 8.3.2).
COSINE_SINE = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}


def picture(index):
    """Each corner has its own brightness; the last one counts the frames."""
    image = np.full((*SIZE_HW, 3), 60, np.uint8)
    image[:24, :32], image[:24, 32:], image[24:, :32] = 250, 170, 110
    image[24:, 32:] = index * 10
    return image


def write_video(path, codec, degrees, count=3):
    """A video of `picture`s, stored turned, with a display matrix that turns them back."""
    turn = STORED[degrees]
    shown = [
        image if turn is None else cv2.rotate(image, turn) for image in map(picture, range(count))
    ]
    code = cv2.VideoWriter_fourcc(*codec)
    writer = cv2.VideoWriter(str(path), code, 10, shown[0].shape[1::-1])
    assert writer.isOpened()
    for image in shown:
        writer.write(image)
    writer.release()
    content = bytearray(path.read_bytes())
    begin = content.find(b"tkhd") + 44  # Behind version, times, number, layer and volume.
    cosine, sine = (value << 16 for value in COSINE_SINE[degrees])
    content[begin : begin + 36] = struct.pack(
        ">9i", cosine, sine, 0, -sine, cosine, 0, 0, 0, 1 << 30
    )
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("degrees", STORED)
@pytest.mark.parametrize(
    ("codec", "suffix"), [("mp4v", ".mp4"), ("MJPG", ".mov"), ("mjpg", ".mp4")]
)
def test_frames_are_upright(tmp_path, codec, suffix, degrees):
    path = write_video(tmp_path / f"a{suffix}", codec, degrees)
    frames = [decode() for _, decode in lazy_files(path)]
    assert len(frames) == 3
    for index, frame in enumerate(frames):
        assert frame.image_rgb.shape[:2] == SIZE_HW
        found = frame.image_rgb[12::24, 16::32].mean(-1)
        assert np.abs(found - picture(index)[12::24, 16::32].mean(-1)).max() < 15
