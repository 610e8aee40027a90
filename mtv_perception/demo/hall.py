"""The rendered clip of the demo: a video with its calibration and the truth of every frame."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting
from mtv_perception.resources import SOURCE_ROOT

VIDEO = SOURCE_ROOT / "docs" / "media" / "hall.mp4"

ZONES = {
    "stop": [[1.72, -0.8], [3.0, -0.8], [3.0, 0.8], [1.72, 0.8]],
    "slow": [[1.72, -1.0], [3.0, -1.7], [5.0, -1.7], [5.0, 1.7], [3.0, 1.7], [1.72, 1.0]],
}
"""The zones of the demo: corners on the floor in front of the robot, m."""

ZONE_SETTINGS = {
    "classes": ["person", "forklift"],
    "tests": ["foot", "mask"],
    "foot_width": 1.0,
    "margin": 0.2,
    "edge_error": 0.06,
}
"""What the demo's zones have in common, as in a zones file."""

# An object of which the camera sees less cannot occupy a zone in anybody's measurement of reaction.
_SEEN = 0.15


@dataclass(frozen=True)
class HallObject:
    """A person or forklift of the scene, base frame.

    Attributes:
        track_id: the same through the drive.
        name: class.
        xy: middle of its box on the floor, m.
        yaw: of its box, radians.
        size: length and width of its box, m.
        visible: share that the camera sees.
    """

    track_id: int
    name: str
    xy: tuple[float, float]
    yaw: float
    size: tuple[float, float]
    visible: float

    @property
    def corners(self) -> np.ndarray:
        """`(4, 2)` of its box on the floor, m."""
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        half = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * np.array(self.size) / 2
        return half @ np.array([[c, s], [-s, c]]) + self.xy

    @property
    def counts(self) -> bool:
        """Whether the camera sees enough of it."""
        return self.visible >= _SEEN


@dataclass(frozen=True)
class HallClip:
    """A drive.

    Attributes:
        video: its images.
        rate: images a second.
        camera: calibration and mounting.
        frames: true objects of each image.
        calibration: as the file says it.
    """

    video: Path
    rate: float
    camera: FloorCamera
    frames: tuple[tuple[HallObject, ...], ...]
    calibration: dict[str, Any]


def load_clip(video: Path = VIDEO) -> HallClip:
    """The clip and the JSON file beside it."""
    about = json.loads(video.with_suffix(".json").read_text(encoding="utf-8"))
    known = about["calibration"]
    height, width = known["size_hw"]
    intrinsics = Intrinsics.from_matrix(
        (height, width), np.array(known["k"]), known["distortion_model"], tuple(known["d"])
    )
    camera = FloorCamera(intrinsics, Mounting(tuple(about["position"]), tuple(about["rpy_deg"])))
    frames = tuple(tuple(_object(row) for row in rows) for rows in about["frames"])
    return HallClip(video, float(about["rate"]), camera, frames, known)


def _object(row: list[Any]) -> HallObject:
    track_id, name, x, y, yaw, length, width, visible = row
    return HallObject(track_id, name, (x, y), yaw, (length, width), visible)


def write_settings(clip: HallClip, folder: Path) -> tuple[Path, Path]:
    """The zones file and the calibration file of the clip."""
    mounting = clip.camera.mounting
    camera = {
        "name": "",
        "floor_frame": "base_link",
        "position": list(mounting.position_xyz),
        "rpy_deg": list(mounting.rpy_deg),
        "intrinsics": clip.calibration,
        "zones": [
            {"name": name, "polygon": corners, **ZONE_SETTINGS} for name, corners in ZONES.items()
        ],
    }
    zones, calibration = folder / "zones.yaml", folder / "calibration.yaml"
    zones.write_text(yaml.safe_dump({"cameras": [camera]}, sort_keys=False), encoding="utf-8")
    height, width = clip.calibration["size_hw"]
    content = {
        "image_width": width,
        "image_height": height,
        "camera_name": "hall",
        "camera_matrix": {"rows": 3, "cols": 3, "data": clip.calibration["k"]},
        "distortion_model": clip.calibration["distortion_model"],
        "distortion_coefficients": {
            "rows": 1,
            "cols": len(clip.calibration["d"]),
            "data": clip.calibration["d"],
        },
    }
    calibration.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return zones, calibration
