"""Videos for the tests of containers."""

import cv2
import numpy as np
import pytest

FRAMES = 40


@pytest.fixture
def video(tmp_path):
    """Write a video of FRAMES random pictures, in a container and a codec."""

    def write(suffix, codec):
        path = tmp_path / f"clip{suffix}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, (64, 48))
        if not writer.isOpened():
            pytest.skip(f"OpenCV here can't write {codec} into {suffix}")
        rng = np.random.default_rng(0)
        for _ in range(FRAMES):
            writer.write(rng.integers(0, 255, (48, 64, 3)).astype(np.uint8))
        writer.release()
        return path

    return write
