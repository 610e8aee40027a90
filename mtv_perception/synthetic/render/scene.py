"""What is rendered: meshes with instance ids, a camera and the light."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mtv_perception.synthetic.render.camera import RenderCamera
from mtv_perception.synthetic.render.mesh import Floats, Mesh

RAIL, PERSON, FORKLIFT = 1, 2, 3


@dataclass(frozen=True)
class Light:
    """The illumination of a scene, linear RGB.

    Attributes:
        sun_direction: (3,) unit vector towards the main light.
        sun_color: (3,) zero for none.
        sun_radius: softness of its shadow in shadow-map coordinates.
        sky_color: (3,) ambient light from above.
        ground_color: (3,) ambient light from below.
        lamp_positions: (5, 3) metres.
        lamp_colors: (5, 3).
        lamp_rows: spacing of the strip lights seen in reflections, 1/tan.
        lamp_gain: their brightness.
        roof_strength: how dark the shadow of the light from above is, 0..1.
        fog_density: per metre.
        fog_color: (3,).
    """

    sun_direction: Floats
    sun_color: Floats
    sun_radius: float
    sky_color: Floats
    ground_color: Floats
    lamp_positions: Floats
    lamp_colors: Floats
    lamp_rows: float
    lamp_gain: float
    roof_strength: float
    fog_density: float
    fog_color: Floats


@dataclass(frozen=True)
class Ground:
    """The floor's look.

    Attributes:
        color: (3,) sRGB.
        tint: (3,) sRGB of the patches.
        params: (4,) mottling, slab contrast, roughness, seam darkness.
        slab: (4,) slab length and width in metres, cosine and sine of their direction.
        noise_offset: (2,) shifts all procedural dirt.
    """

    color: Floats
    tint: Floats
    params: Floats
    slab: Floats
    noise_offset: Floats


@dataclass
class RenderScene:
    """A scene under construction: instance 0 is everything that is not a target.

    Attributes:
        camera: the observer.
        light: the illumination.
        ground: the floor's look.
        ground_layers: the floor and what lies flat on it; not reflected in it.
        clutter: what has no label.
        targets: class id and mesh of each instance; its id is its place plus one.
        cutouts: RGBA pictures of pasted people.
        no_shadow: walls and ceiling, which would shade everything.
    """

    camera: RenderCamera
    light: Light
    ground: Ground
    ground_layers: list[Mesh] = field(default_factory=list)
    clutter: list[Mesh] = field(default_factory=list)
    targets: list[tuple[int, Mesh]] = field(default_factory=list)
    cutouts: list[np.ndarray] = field(default_factory=list)
    no_shadow: list[Mesh] = field(default_factory=list)

    def add(self, *meshes: Mesh) -> None:
        """Adds meshes without a label."""
        self.clutter.extend(meshes)

    def add_target(self, class_id: int, mesh: Mesh) -> None:
        """Adds one labelled instance; its id is its place in `targets` plus one."""
        self.targets.append((class_id, mesh))
