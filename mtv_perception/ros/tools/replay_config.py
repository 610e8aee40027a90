"""What a user may set on the image replay node."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from mtv_perception.config import fixed, setting
from mtv_perception.ros.qos import RELIABILITY

ENCODE = {"rgb8": None, "bgr8": cv2.COLOR_RGB2BGR, "mono8": cv2.COLOR_RGB2GRAY}
"""Conversion from RGB to each encoding of raw images."""


@dataclass(frozen=True)
class ReplayConfig:
    """What a user may set on the image replay node; all but `start_offset` is read at start."""

    source: str = fixed("", "Video, image folder, image or bag.")
    topic: str = fixed("", "Image topic of the bag; by default the first camera.")
    rate: float = fixed(
        10.0,
        "Frames a second, unless the source's own time is replayed (`clock`).",
        low=0.001,
        high=1000.0,
    )
    loop: bool = fixed(False, "Begin again at the end; with `clock`, time jumps back.")
    frame_id: str = fixed("camera", "Frame of images that have none.")
    encoding: str = fixed("bgr8", "Of raw images.", choices=tuple(ENCODE))
    compressed: bool = fixed(
        False, "Publish JPEG on image/compressed instead of raw images on image."
    )
    wait_for_subscribers: int = fixed(1, "Begin when so many have subscribed.", low=0, high=1000)
    settle: float = fixed(
        1.0,
        "Seconds from the first subscriber to the first image: a best-effort one loses what is "
        "sent before its connection is up.",
        low=0.0,
        high=3600.0,
    )
    linger: float = fixed(1.0, "Seconds to stay after the last image.", low=0.0, high=3600.0)
    stamps_file: str = fixed(
        "", "Write stamp and frame of every published image here, a JSON list a line."
    )
    reliability: str = fixed(
        "reliable", "Quality of service of the images.", choices=tuple(RELIABILITY)
    )
    camera_info: bool = fixed(
        True, "Also publish the bag's calibration of the camera, on camera_info."
    )
    camera_info_topic: str = fixed("", "Its topic in the bag; by default that beside the images.")
    calibration: str = fixed(
        "",
        "File of camera_calibration (YAML) to publish on camera_info, for a video or in place of "
        "the bag's.",
    )
    depth: bool = fixed(True, "Also publish the bag's depth images, on depth/image.")
    depth_topic: str = fixed("", "Their topic in the bag; by default that beside the images.")
    tf: bool = fixed(True, "Also publish the bag's transforms, on /tf and /tf_static.")
    clock: bool = fixed(False, "Keep the source's stamps, publish /clock, and follow that time.")
    speed: float = fixed(
        1.0,
        "With `clock`: source time runs so many times as fast as wall time.",
        low=0.001,
        high=1000.0,
    )
    start_offset: float = setting(
        0.0,
        "With `clock`: begin so many seconds into the source. Set at run time, it jumps there.",
        low=0.0,
        high=1e9,
    )
