"""Calibrations as CameraInfo states them.

Read, and compared with the image that they should describe.
"""

from __future__ import annotations

import time

import numpy as np
from sensor_msgs.msg import CameraInfo

from mtv_perception.geometry.calibration import why_unfit
from mtv_perception.geometry.camera import Intrinsics
from mtv_perception.ros.turns import Turns


class CalibrationReader:
    """Reads the calibrations of one camera as they come.

    Args:
        rectified: whether the images are.
    """

    def __init__(self, rectified: bool = False) -> None:
        self._rectified = rectified
        self._turns = Turns[tuple[tuple[bytes, str], str]]()

    def read(self, message: CameraInfo, publisher: bytes) -> Intrinsics:
        """The calibration in a message.

        Args:
            message: published beside the image.
            publisher: who sent it; empty where the middleware does not tell.

        Raises:
            ValueError: it is none, or different ones come in turn, of two publishers or two frames.
        """
        now, frame = time.monotonic(), message.header.frame_id
        self._turns.notice(((publisher, frame), _summary(message)), now)
        rivals = self._turns.rivals(now)
        told = sorted({summary for _, summary in rivals})
        if len(told) > 1 and len({sender for sender, _ in rivals}) > 1:
            raise ValueError(
                f"Expected the camera_info of one camera, got {len(told)} in turn: {'; '.join(told)}. Let "
                "one camera publish it, or remap camera_info."
            )
        return intrinsics_from(message, self._rectified)


def _summary(message: CameraInfo) -> str:
    """What tells calibrations apart, for people."""
    focal = f"{message.k[0]:.6g}, {message.k[4]:.6g}"
    middle = f"{message.k[2]:.6g}, {message.k[5]:.6g}"
    return (
        f"frame {message.header.frame_id!r}, {message.width}x{message.height}, focal lengths {focal}, "
        f"middle {middle}"
    )


def intrinsics_from(message: CameraInfo, rectified: bool = False) -> Intrinsics:
    """The calibration in a message.

    Args:
        message: published beside the image.
        rectified: whether the image is; its distortion, which D still tells, is gone.

    Raises:
        ValueError: it is no calibration of a full image; the text says why.
    """
    size_hw = (int(message.height), int(message.width))
    if reason := why_info_unfit(message, size_hw):
        raise ValueError(reason)
    name, numbers = ("P", message.p) if rectified else ("K", message.k)
    if not np.any(numbers):
        raise ValueError(
            f"Expected positive focal lengths in {name} of camera_info, got zeros: the camera is not calibrated "
            "(docs/how-to/camera.md)."
        )
    if rectified:
        return Intrinsics.from_projection(size_hw, np.array(message.p))
    matrix, distortion = np.array(message.k), tuple(map(float, message.d))
    return Intrinsics.from_matrix(size_hw, matrix, message.distortion_model, distortion)


def seems_rectified(topic: str) -> bool:
    """Whether an image topic has a name as image_proc gives to rectified images: image_rect."""
    return "rect" in topic.removesuffix("/compressed").rsplit("/", 1)[-1].split("_")


def why_info_unfit(message: CameraInfo, image_hw: tuple[int, int]) -> str:
    """Why a message does not describe an image of `image_hw` (height, width).

    Empty where it does.
    """
    roi = message.roi
    return why_unfit(
        (int(message.height), int(message.width)),
        (int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)),
        (int(message.binning_x), int(message.binning_y)),
        image_hw,
    )


def why_other_frame(what: str, own: str, image: str) -> str:
    """Why a message belongs to another camera than the image; empty where it does not say so.

    Args:
        what: the message, for the text.
        own: its frame.
        image: the frame of the image.
    """
    a, b = own.lstrip("/"), image.lstrip("/")
    return f"{what} is of frame {own!r}, the image of {image!r}" if a and b and a != b else ""
