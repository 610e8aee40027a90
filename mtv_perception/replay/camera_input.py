"""A camera of this machine as an input, frame by frame until it ends or somebody stops it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import cv2
import numpy as np

from mtv_perception.errors import ReplayError
from mtv_perception.media.frame import Frame
from mtv_perception.replay.inputs import FILE_TOPIC, Input, InputFrame


class CameraInput:
    """The frames of a camera.

    Args:
        number: of the camera, 0 for the first.
        frames: end after so many; 0 goes on until Ctrl-C.
    """

    def __init__(self, number: int, frames: int = 0) -> None:
        self._number, self._frames = number, frames
        self.cameras: Mapping[str, str] = {FILE_TOPIC: ""}
        self.left_out: tuple[str, ...] = ()
        self.total = frames or None
        self.damage, self.video_rate = "", 0.0
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise ReplayError(f"Expected a camera with number {number}, could not open one.")

    def frames(self) -> Iterator[InputFrame]:
        """The frames as they come."""
        index = 0
        try:
            while not self._frames or index < self._frames:
                good, image = self._capture.read()
                if not good:
                    self.damage = f"camera {self._number} gave no more images"
                    return
                yield _frame(image, f"camera{self._number}#{index}")
                index += 1
        except KeyboardInterrupt:
            return

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


def _frame(image: np.ndarray, name: str) -> InputFrame:
    stamp = time.time_ns()

    def decode() -> Frame:
        return Frame(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), stamp, "", name)

    return InputFrame("", FILE_TOPIC, "", stamp, decode, lambda: stamp)


@contextmanager
def open_camera(number: int, frames: int = 0) -> Iterator[Input]:
    """Open a camera of this machine.

    Raises:
        ReplayError: there is none of that number.
    """
    camera = CameraInput(number, frames)
    try:
        yield camera
    finally:
        camera.close()
