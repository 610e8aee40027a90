"""Parameters of the ranging node."""

from __future__ import annotations

from dataclasses import dataclass, field

from mtv_perception.config import setting
from mtv_perception.errors import ConfigError
from mtv_perception.geometry.camera import Mounting
from mtv_perception.ranging.config import RangingConfig
from mtv_perception.ranging.floor_map import FloorMapConfig


@dataclass(frozen=True)
class LinkConfig:
    """Where the node's inputs come from, and how long it waits for them."""

    base_frame: str = setting(
        "base_link",
        "Frame of all results: x forward, y left, z up, the floor at z = 0.",
        read_only=True,
    )
    depth: bool = setting(
        False,
        "Use depth images on depth/image, registered with the camera image.",
        read_only=True,
    )
    mask: bool = setting(
        True, "Use the mask on segmentation/mask; off for a model without masks.", read_only=True
    )
    depth_tolerance: float = setting(
        0.05, "How far the stamps of image and depth may differ (s).", low=0.0, high=1.0
    )
    wait: float = setting(
        0.1, "How long detections wait for their mask and depth (s).", low=0.0, high=2.0
    )
    tf_age: float = setting(
        0.2, "How much older than the image the newest transform may be (s).", low=0.0, high=10.0
    )
    calibration: str = setting(
        "",
        "Calibration file as camera_calibration writes it, used instead of camera_info.",
        read_only=True,
    )
    rectified: bool = setting(
        False,
        "The images are rectified (image_rect): P of the calibration holds, and no distortion.",
        read_only=True,
    )
    camera_position: tuple[float, ...] = setting(
        (),
        "x, y, z of the camera in base_frame (m), used instead of TF; empty takes TF.",
        read_only=True,
    )
    camera_rpy_deg: tuple[float, ...] = setting(
        (0.0, 0.0, 0.0),
        "Roll, pitch (positive looks down), yaw of the camera (degrees), with camera_position.",
        read_only=True,
    )
    obstacle_height: float = setting(
        0.2, "z of the points of the obstacle cloud (m).", low=-10.0, high=10.0
    )

    def __post_init__(self) -> None:
        for name, least in (("camera_position", 0), ("camera_rpy_deg", 3)):
            count = len(getattr(self, name))
            if count not in (least, 3):
                raise ConfigError(f"{name}: expected three numbers, got {count}.")
        self.mounting()

    def mounting(self) -> Mounting | None:
        """Where the camera sits by these parameters; None where TF says it."""
        if not self.camera_position:
            return None
        (x, y, z), (roll, pitch, yaw) = self.camera_position, self.camera_rpy_deg
        try:
            return Mounting((x, y, z), (roll, pitch, yaw))
        except ValueError as error:
            raise ConfigError(f"camera_position, camera_rpy_deg: {error}") from error


@dataclass(frozen=True)
class RangingSettings:
    """All parameters of the ranging node."""

    link: LinkConfig = field(default_factory=LinkConfig)
    ranging: RangingConfig = field(default_factory=RangingConfig)
    floor: FloorMapConfig = field(default_factory=FloorMapConfig)
