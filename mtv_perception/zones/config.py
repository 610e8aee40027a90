"""What the user says about zones, cameras and timing; read strictly from YAML."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtv_perception.config import setting
from mtv_perception.geometry.camera import Intrinsics, Mounting
from mtv_perception.geometry.lens import LENSES
from mtv_perception.geometry.polygons import check_polygon

FLOOR, IMAGE = "floor", "image"
FOOT, BOX, MASK = "foot", "box", "mask"


@dataclass(frozen=True)
class IntrinsicsConfig:
    """A calibration written down, for cameras that publish no CameraInfo; fields as there."""

    size_hw: tuple[int, int] = setting(
        (480, 640), "Height and width of the calibrated image, pixels.", low=1
    )
    k: tuple[float, ...] = setting((), "The nine numbers of the camera matrix, row by row.")
    distortion_model: str = setting("plumb_bob", "The lens.", choices=tuple(LENSES))
    d: tuple[float, ...] = setting((), "Distortion coefficients.")

    def __post_init__(self) -> None:
        if len(self.k) != 9:
            raise ValueError(f"Expected the 9 numbers of k, got {len(self.k)}.")
        self.intrinsics()

    def intrinsics(self) -> Intrinsics:
        """The same as an Intrinsics."""
        return Intrinsics.from_matrix(self.size_hw, np.array(self.k), self.distortion_model, self.d)


MOST_CORNERS = 100
MOST_POINTS = 100_000
"""Of a floor zone filled with points (a square of 30 m at the default spacing): more would delay who reads them."""


@dataclass(frozen=True)
class ZoneConfig:
    """One watched polygon."""

    name: str = setting("", "Unique among the zones; what the state message says.")
    polygon: tuple[tuple[float, float], ...] = setting(
        (), "Corners in order: x, y in metres of the floor frame, or in pixels of the source image."
    )
    space: str = setting(
        FLOOR, "Whether the polygon lies on the floor or in the image.", choices=(FLOOR, IMAGE)
    )
    classes: tuple[str, ...] = setting(("person",), "Classes that occupy the zone.")
    min_score: float = setting(0.3, "Detections below this score do not count.", low=0.0, high=1.0)
    tests: tuple[str, ...] = setting(
        (FOOT,),
        "Which tests find an object inside; one suffices. foot: the lower edge of its box; box: any part of its box "
        "(image zones); mask: the segmentation.",
        choices=(FOOT, BOX, MASK),
    )
    foot_width: float = setting(
        0.5,
        "Share of the box's width, about its middle, that stands on the floor.",
        low=0.0,
        high=1.0,
    )
    mask_columns: int = setting(
        2,
        "Floor zones: so many image columns (of those looked at) must touch the zone.",
        low=1,
        high=1000,
    )
    mask_share: float = setting(
        0.02,
        "Image zones: this share of the zone's pixels must be of the classes.",
        low=1e-6,
        high=1.0,
    )
    max_unlabelled: float = setting(
        0.2,
        "With the mask test: a larger unlabelled share of the zone's pixels makes it unknown.",
        low=0.0,
        high=1.0,
    )
    min_visible: float = setting(
        0.9,
        "Floor zones: never free where a smaller share of the zone lies in the image.",
        low=0.0,
        high=1.0,
    )
    unplaced: str = setting(
        "unknown",
        "What an object means whose place on the floor can't be told, and whose direction crosses the zone.",
        choices=("unknown", "ignore"),
    )
    enter_results: int = setting(
        1,
        "Results in a row with an object before the zone is occupied; each above 1 delays.",
        low=1,
        high=100,
    )
    leave_results: int = setting(
        3, "Results in a row without an object before the zone is free.", low=1, high=1000
    )
    leave_seconds: float = setting(
        0.3, "Time (s) without an object before the zone is free.", low=0.0, high=3600.0
    )

    def __post_init__(self) -> None:
        if not self.name or not self.classes or not self.tests:
            raise ValueError(
                f"Expected a name, a class and a test, got {self.name!r}, {self.classes!r}, {self.tests!r}."
            )
        if len(self.polygon) > MOST_CORNERS:
            raise ValueError(
                f"Expected at most {MOST_CORNERS} corners of zone {self.name!r}, got {len(self.polygon)}."
            )
        check_polygon(np.array(self.polygon))
        if self.space == FLOOR and BOX in self.tests:
            raise ValueError(
                f"Expected tests of foot, mask for floor zone {self.name!r}, got {self.tests!r}."
            )

    @cached_property
    def corners(self) -> np.ndarray:
        """The polygon as `(M, 2)` float64."""
        return np.array(self.polygon, np.float64)

    @property
    def wants_mask(self) -> bool:
        """Whether the zone is watched by the mask test."""
        return MASK in self.tests


@dataclass(frozen=True)
class CameraConfig:
    """One camera: where it is mounted and what it watches."""

    name: str = setting("", "Put before the camera's topics; empty for the only camera.")
    floor_frame: str = setting(
        "base_link", "Frame of the floor zones: x forward, y left, floor at z = 0."
    )
    position: tuple[float, float, float] | None = setting(
        None, "Of the camera in the floor frame, m."
    )
    rpy_deg: tuple[float, float, float] = setting(
        (0.0, 0.0, 0.0), "Roll, pitch (positive looks down), yaw (positive looks left), degrees."
    )
    intrinsics: IntrinsicsConfig | None = setting(  # noqa: RUF009
        None, "Calibration; without it camera_info is subscribed."
    )
    zones: tuple[ZoneConfig, ...] = setting((), "What this camera watches.")

    def __post_init__(self) -> None:
        if not self.zones:
            raise ValueError(f"Expected at least one zone of camera {self.name!r}.")
        if self.position is None and any(zone.space == FLOOR for zone in self.zones):
            raise ValueError(
                f"Expected the position of camera {self.name!r}, which has floor zones."
            )
        if self.position is not None:
            self.mounting()

    def mounting(self) -> Mounting | None:
        """Where the camera sits; None when it was not said (image zones only)."""
        return None if self.position is None else Mounting(self.position, self.rpy_deg)

    @property
    def wants_mask(self) -> bool:
        """Whether any zone is watched by the mask test."""
        return any(zone.wants_mask for zone in self.zones)


@dataclass(frozen=True)
class ZonesConfig:
    """All cameras, and the timing they share."""

    cameras: tuple[CameraConfig, ...] = setting((), "The cameras.")
    deadline: float = setting(
        0.5,
        "Without a result younger than this (s, by its stamp) a zone is unknown.",
        low=0.02,
        high=60.0,
    )
    mask_wait: float = setting(
        0.05, "How long (s) detections wait for the mask of the same image.", low=0.0, high=10.0
    )
    time_jump: float = setting(
        1.0,
        "A stamp further back than this (s) is a new timeline, not a result out of order.",
        low=0.0,
        high=3600.0,
    )
    repeat: float = setting(
        0.1,
        "Period (s) at which unknown states are repeated, and deadlines watched.",
        low=0.01,
        high=1.0,
    )
    point_height: float = setting(
        0.2,
        "Height of the published points above the floor, m; inside collision_monitor's min_height..max_height.",
        low=0.0,
        high=3.0,
    )
    point_spacing: float = setting(0.1, "Distance between published points, m.", low=0.01, high=1.0)
    unknown_as_points: bool = setting(
        True,
        "Publish an unknown floor zone as filled with points, so that who reads only the points stops too.",
    )

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ValueError("Expected at least one camera.")
        for what, names in (
            ("camera", [camera.name for camera in self.cameras]),
            ("zone", [zone.name for camera in self.cameras for zone in camera.zones]),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"Expected a {what} name only once, got {names!r}.")
        for camera in self.cameras:
            for zone in camera.zones:
                points = float(np.prod(np.ptp(zone.corners, 0))) / self.point_spacing**2
                if zone.space == FLOOR and points > MOST_POINTS:
                    raise ValueError(
                        f"Expected a floor zone of at most {MOST_POINTS} points, got {points:.0f} in {zone.name!r}; "
                        "is it in metres, or point_spacing too small?"
                    )
        if len(self.cameras) > 1 and "" in {camera.name for camera in self.cameras}:
            raise ValueError("Expected a name for each of several cameras, got an empty one.")
