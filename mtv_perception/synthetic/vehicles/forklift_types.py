"""What all kinds of forklift have.

A finish, a height of the forks, and the measures that a scene needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mtv_perception.synthetic.render.assets import Assets, pick_color, vary
from mtv_perception.synthetic.render.mesh import Material, Mesh

Rng = np.random.Generator


@dataclass(frozen=True)
class Paint:
    """The machine's finish.

    Attributes:
        body: main colour.
        trim: counterweight, guard or chassis.
        mast: mast channels.
        rim: wheel centres.
        label: marking with a made-up word.
    """

    body: Material
    trim: Material
    mast: Material
    rim: Material
    label: Material


@dataclass(frozen=True)
class Machine:
    """A built forklift.

    Attributes:
        mesh: all of it but load and driver.
        seat: x, y, z of a seated pelvis or of standing feet, and yaw; None where nobody can ride.
        seated: whether the driver sits.
        fork_tip: x of the forks' end, metres.
        fork_heel: x of the forks' root.
        lift: height of the forks.
        rear: x of the back end.
        half_width: metres.
    """

    mesh: Mesh
    seat: tuple[float, float, float, float] | None
    seated: bool
    fork_tip: float
    fork_heel: float
    lift: float
    rear: float
    half_width: float


def sample_paint(assets: Assets, design: Rng, rng: Rng) -> Paint:
    """The finish of a design; its wear differs from machine to machine."""
    wear = float(rng.choice([0.15, 0.35, 0.7]))
    body = Material(pick_color(assets.machine_colors, design), 0.38, dirt=wear)
    dark = Material(vary((0.12, 0.12, 0.13), design, 0.1), 0.5, dirt=wear)
    trim = dark
    if design.random() >= 0.6:
        trim = (
            replace(body, color=vary((0.55, 0.55, 0.56), design)) if design.random() < 0.5 else body
        )
    mast = dark if design.random() < 0.7 else body
    rim = Material((0.85, 0.84, 0.8) if design.random() < 0.4 else body.color, 0.5, dirt=0.6)
    return Paint(
        body,
        trim,
        mast,
        rim,
        Material((1, 1, 1), 0.5, layer=assets.textures.pick("label", design), dirt=0.2),
    )


def sample_lift(rng: Rng, highest: float) -> float:
    """Height of the forks in metres, mostly low."""
    if rng.random() < 0.55:
        return float(rng.uniform(0.04, 0.3))
    return float(rng.uniform(0.3, highest))
