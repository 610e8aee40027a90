"""What the user says about zones, cameras and timing; read strictly from YAML."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mtv_perception.config import CAMERA_NAME, from_mapping, read_yaml, setting
from mtv_perception.errors import ConfigError
from mtv_perception.geometry.camera import Intrinsics, Mounting
from mtv_perception.geometry.lens import LENSES
from mtv_perception.geometry.polygons import check_polygon

FLOOR, IMAGE = "floor", "image"
FOOT, BOX, MASK = "foot", "box", "mask"
FILE, TF = "file", "tf"
PERCEPTION, OTHER = "perception", "other"


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


DEFAULT_MIN_SCORE = 0.3
"""Of zones that name none; near the thresholds of the bundled models."""
MOST_CORNERS = 100
LEAST_PIXELS = 2
"""Of the width and height of an image zone: a smaller zone is in another unit, and meets nothing."""
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
    min_score: float | None = setting(
        None,
        "Detections below this score do not count; unknown where perception lets less through. "
        "Left out: 0.3, or the model's own threshold of the class where that is higher.",
        low=0.0,
        high=1.0,
    )
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
    margin: float = setting(
        0.0,
        "Floor zones: an object whose foot is this near to the zone (m) is inside. Room for the rest of its body, and "
        "for the error of its place.",
        low=0.0,
        high=10.0,
    )
    edge_error: float = setting(
        0.0,
        "Floor zones: by how much of its height a box may end too high or too low. The object is taken to stand "
        "anywhere on the floor between; unlike margin, that grows with its distance.",
        low=0.0,
        high=0.5,
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
        "With the mask test: a larger unlabelled share of the zone's pixels makes it unknown. So does a smaller "
        "one that would occupy the zone if it were of its classes. With 1, unlabelled pixels count as empty.",
        low=0.0,
        high=1.0,
    )
    min_visible: float = setting(
        0.9,
        "Never free where a smaller share of the zone lies in the image and, on the floor, behind no object. "
        "With 0 never where the image shows nothing that stands in the zone.",
        low=0.0,
        high=1.0,
    )
    hidden_by: tuple[str, ...] = setting(
        (),
        "Further classes whose objects hide the floor behind them. The zone's own classes always do.",
    )
    unplaced: str = setting(
        "unknown",
        "What an object means whose place on the floor can't be told, and whose direction crosses the zone.",
        choices=("unknown", "ignore"),
    )
    enter_results: int = setting(
        1,
        "Results with an object before the zone is occupied, without leave_results clear ones in a row between; each "
        "above 1 delays.",
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
        try:
            check_polygon(np.array(self.polygon))
        except ValueError as error:
            raise ValueError(f"zone {self.name!r}: {error}") from error
        if self.hidden_by and self.space != FLOOR and FOOT not in self.tests:
            raise ValueError(
                f"Expected hidden_by of a floor zone or beside the foot test, got it for {self.name!r}: "
                "what stands before a region of the image cannot be told there."
            )
        sides = np.ptp(self.corners, 0)
        if self.space == IMAGE and (np.abs(self.corners).max() <= 1 or sides.min() < LEAST_PIXELS):
            raise ValueError(
                f"Expected the corners of image zone {self.name!r} in pixels, at least {LEAST_PIXELS} wide and "
                f"high, got {self.polygon!r}: are they shares of the image?"
            )
        for name in ("margin", "edge_error"):
            if getattr(self, name) and (self.space != FLOOR or FOOT not in self.tests):
                raise ValueError(
                    f"Expected {name} of a floor zone with the foot test, got it for {self.name!r}, where it has "
                    "no effect. Draw the zone larger instead."
                )
        if self.space == FLOOR and BOX in self.tests:
            raise ValueError(
                f"Expected tests of foot, mask for floor zone {self.name!r}, got {self.tests!r}."
            )

    @cached_property
    def corners(self) -> np.ndarray:
        """The polygon as `(M, 2)` float64."""
        return np.array(self.polygon, np.float64)

    @property
    def needed_classes(self) -> tuple[str, ...]:
        """The classes that matter: those that occupy the zone, and those that hide it."""
        return (*self.classes, *self.hidden_by)

    @property
    def lowest_score(self) -> float:
        """The score from which on a detection counts."""
        return DEFAULT_MIN_SCORE if self.min_score is None else self.min_score

    @property
    def wants_mask(self) -> bool:
        """Whether the zone is watched by the mask test."""
        return MASK in self.tests

    @property
    def wants_boxes(self) -> bool:
        """Whether the zone is watched by a test of boxes."""
        return FOOT in self.tests or BOX in self.tests


@dataclass(frozen=True)
class CameraConfig:
    """One camera: where it is mounted and what it watches."""

    name: str = setting("", "Put before the camera's topics; empty for the only camera.")
    floor_frame: str = setting(
        "base_link", "Frame of the floor zones: x forward, y left, floor at z = 0."
    )
    pose_from: str = setting(
        FILE,
        "Where the camera's pose comes from: position and rpy_deg in this file, or TF, "
        "from floor_frame to the frame in the image's header.",
        choices=(FILE, TF),
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
    rectified: bool = setting(
        False,
        "The images are rectified (image_rect): P of camera_info holds, and no distortion.",
    )
    image_hw: tuple[int, int] | None = setting(
        None,
        "Height and width of the image in whose pixels the image zones are drawn; "
        "by default that of the first result. Results of another size make these zones unknown.",
        low=1,
    )
    detector: str = setting(
        PERCEPTION,
        "Who publishes detections: perception, whose results come with a status, or another detector, "
        "whose class ids are names; its thresholds and the size of its images are not checked.",
        choices=(PERCEPTION, OTHER),
    )
    detector_classes: tuple[str, ...] = setting(
        (),
        "With detector other: the names of all its classes. A result with another name is not used.",
    )
    zones: tuple[ZoneConfig, ...] = setting((), "What this camera watches.")

    def __post_init__(self) -> None:
        if self.name and not CAMERA_NAME.fullmatch(self.name):
            raise ValueError(
                f"Expected the name of a camera in letters, digits and '_', got {self.name!r}."
            )
        if not self.zones:
            raise ValueError(f"Expected at least one zone of camera {self.name!r}.")
        if self.position is None and self.has_floor_zones and self.pose_from == FILE:
            raise ValueError(
                f"Expected the position of camera {self.name!r}, which has floor zones, or pose_from: tf."
            )
        if self.position is not None:
            self.mounting()
        if self.image_hw and self.intrinsics and self.image_hw != self.intrinsics.size_hw:
            raise ValueError(
                f"Expected image_hw and intrinsics of one size, got {list(self.image_hw)} and "
                f"{list(self.intrinsics.size_hw)}."
            )
        if self.intrinsics and self.rectified:
            raise ValueError(
                f"Expected the intrinsics of camera {self.name!r} or rectified: true, got both; write k of "
                "the rectified image and an empty d."
            )
        if self.detector == OTHER and self.image_hw is None:
            raise ValueError(f"Expected image_hw of camera {self.name!r}, whose detector is other.")
        self._check_detector_classes()
        for zone in self.zones:
            if zone.space == IMAGE and self.image_hw and not _meets_image(zone, self.image_hw):
                raise ValueError(
                    f"Expected zone {zone.name!r} inside the image of {list(self.image_hw)}."
                )

    def _check_detector_classes(self) -> None:
        known = self.detector_classes
        if known and self.detector != OTHER:
            raise ValueError(
                f"Expected detector_classes beside detector: other, got them for camera {self.name!r}; "
                "perception tells its classes itself."
            )
        asked = sorted({name for zone in self.zones for name in zone.needed_classes})
        if known and (missing := [name for name in asked if name not in known]):
            raise ValueError(f"Expected classes of zones in detector_classes, got {missing}.")

    @property
    def has_floor_zones(self) -> bool:
        """Whether any zone lies on the floor, and calibration and pose are needed."""
        return any(zone.space == FLOOR for zone in self.zones)

    def mounting(self) -> Mounting | None:
        """Where the camera sits by this file; None where it is not said."""
        return None if self.position is None else Mounting(self.position, self.rpy_deg)

    @property
    def wants_mask(self) -> bool:
        """Whether any zone is watched by the mask test."""
        return any(zone.wants_mask for zone in self.zones)


def _meets_image(zone: ZoneConfig, image_hw: tuple[int, int]) -> bool:
    low, high = zone.corners.min(0), zone.corners.max(0)
    return bool((high > 0).all() and low[0] < image_hw[1] and low[1] < image_hw[0])


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
    ahead: float = setting(
        0.0,
        "How far (s) a result may be stamped ahead of this node's clock; further ahead it is not used. "
        "Above 0 only where the camera's clock is known to differ, or /clock is slow.",
        low=0.0,
        high=0.5,
    )
    repeat: float = setting(
        0.1,
        "Period (s) at which states are published without news, and deadlines watched.",
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


def load_zones(path: Path, base_frame: str = "") -> ZonesConfig:
    """Read a zones file.

    Args:
        path: of the YAML file.
        base_frame: where given, floor frame of every camera; their poses then come from TF.

    Raises:
        ConfigError: it can't be read, or a value is wrong.
    """
    values = read_yaml(path)
    if base_frame and isinstance(values, dict) and isinstance(values.get("cameras"), list):
        changes = {"floor_frame": base_frame, "pose_from": TF}
        cameras = [{**c, **changes} if isinstance(c, dict) else c for c in values["cameras"]]
        values = {**values, "cameras": cameras}
    try:
        return from_mapping(ZonesConfig, {} if values is None else values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
