"""What may be chosen about distances."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mtv_perception.config import setting
from mtv_perception.errors import ConfigError


@dataclass(frozen=True)
class Shape:
    """What is known of a class beforehand, metres.

    Attributes:
        thickness: usual extent away from the camera; completes the side that the camera cannot see.
        heights: smallest and largest height that is believed.
        surface_sigma: how far the middle of the seen surface lies from the point that was measured
            by depth.
        floor_sigma: the same for the point where the object meets the floor; heels and wheels
            differ more.
        floor_offset: how far the seen surface lies behind that point.
    """

    thickness: float
    heights: tuple[float, float]
    surface_sigma: float
    floor_sigma: float
    floor_offset: float


SHAPES = {
    # Shoulder breadth and stature: ISO 7250-3, 1st and 99th percentile, with margins for stooping
    # and helmets.
    "person": Shape(0.5, (0.6, 2.4), 0.04, 0.12, 0.0),
    # Counterbalance and reach trucks with the mast lowered or raised: EN ISO 3691-1 machines up to
    # 3 t.
    "forklift": Shape(1.4, (0.8, 6.0), 0.12, 0.35, 0.3),
}
"""By class name. A class without a shape is not measured, unless it is said which it has."""
MARKED = "rail"
"""The class that lies on the floor: no obstacle, and without a place of its own."""


@dataclass(frozen=True)
class RangingConfig:
    """Noise of the sensors and limits of what is measured.

    Flat, so that every field can be one ROS parameter.
    """

    max_range: float = setting(
        20.0, "Nothing farther than this is measured (m).", low=0.5, high=200.0
    )
    depth_max: float = setting(10.0, "Depth beyond this is not used (m).", low=0.1, high=200.0)
    depth_sigma: float = setting(
        0.002,
        "Standard deviation of depth at 1 m (m); it grows with the square of the distance.",
        low=0.0,
        high=1.0,
    )
    pixel_sigma: float = setting(
        2.0, "Standard deviation of a box's edge (pixels of the source image).", low=0.1, high=50.0
    )
    edge_share: float = setting(
        0.02, "The same as a share of the box's height; added to pixel_sigma.", low=0.0, high=0.5
    )
    tilt_sigma_deg: float = setting(
        0.3,
        "Standard deviation of the camera's tilt against the floor (degrees).",
        low=0.0,
        high=10.0,
    )
    min_pixels: int = setting(30, "Fewest own pixels with depth.", low=1, high=100_000)
    largest_sigma: float = setting(
        0.35,
        "A floor distance whose standard deviation is a larger share of it is not measurable.",
        low=0.01,
        high=1.0,
    )

    class_shapes: tuple[str, ...] = setting(
        (),
        "Which shape the model's other classes have, each 'name=person' or 'name=forklift'; without one they are "
        "not measured.",
    )

    def __post_init__(self) -> None:
        seen = {*SHAPES, MARKED}
        for entry in self.class_shapes:
            name, _, like = entry.rpartition("=")
            if not name.strip() or like not in SHAPES or name in seen:
                raise ConfigError(
                    f"class_shapes: expected 'name=shape' with a shape of {', '.join(SHAPES)}, of each other "
                    f"class once, got {entry!r}."
                )
            seen.add(name)

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of each class that has one, by name."""
        return SHAPES | self.own_shapes

    @property
    def own_shapes(self) -> dict[str, Shape]:
        """Those of `class_shapes`."""
        own = (entry.rpartition("=") for entry in self.class_shapes)
        return {name: SHAPES[like] for name, _, like in own}

    def depth_noise(self, metres: float) -> float:
        """Standard deviation of a measured depth, m.

        Source: stereo triangulation, the error grows with z squared.
        """
        return self.depth_sigma * metres * metres

    @property
    def tilt_sigma(self) -> float:
        """`tilt_sigma_deg` in radians."""
        return math.radians(self.tilt_sigma_deg)
