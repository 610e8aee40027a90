"""Boxes, default boxes, box codec, non-maximum suppression and letterboxing, in NumPy alone."""

from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting
from mtv_perception.geometry.codec import Variances
from mtv_perception.geometry.default_boxes import DefaultBoxMap, DefaultBoxSpec
from mtv_perception.geometry.frames import FrameError, FrameTree, Rigid
from mtv_perception.geometry.letterbox import Letterbox

__all__ = [
    "DefaultBoxMap",
    "DefaultBoxSpec",
    "FloorCamera",
    "FrameError",
    "FrameTree",
    "Intrinsics",
    "Letterbox",
    "Mounting",
    "Rigid",
    "Variances",
]
