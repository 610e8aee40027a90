"""What people look like: proportions and work clothes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtv_perception.synthetic.render.assets import Assets, pick_color, vary
from mtv_perception.synthetic.render.mesh import FABRIC, Material

_SKIN = (
    (0.95, 0.76, 0.64),
    (0.87, 0.66, 0.52),
    (0.76, 0.55, 0.40),
    (0.58, 0.40, 0.28),
    (0.38, 0.25, 0.18),
)
_HAIR = (
    (0.05, 0.04, 0.03),
    (0.16, 0.10, 0.06),
    (0.35, 0.22, 0.12),
    (0.62, 0.50, 0.32),
    (0.50, 0.50, 0.50),
)
_HELMETS = (
    (0.95, 0.93, 0.9),
    (0.95, 0.78, 0.08),
    (0.1, 0.3, 0.65),
    (0.9, 0.35, 0.05),
    (0.75, 0.1, 0.08),
)


@dataclass(frozen=True)
class Outfit:
    """A person's looks.

    Attributes:
        height: metres.
        girth: width factor.
        skin: bare skin.
        top: upper garment.
        trousers: lower garment.
        shoes: footwear.
        hair: scalp.
        sleeve: share of the arm that is covered, 0.45 short .. 1 long.
        vest: over the top, or None.
        helmet: headwear material, or None.
        loose: thickness of the clothing, metres.
    """

    height: float
    girth: float
    skin: Material
    top: Material
    trousers: Material
    shoes: Material
    hair: Material
    sleeve: float
    vest: Material | None
    helmet: Material | None
    loose: float


def sample_outfit(assets: Assets, rng: np.random.Generator) -> Outfit:
    """A body of the split's pool in random clothes."""
    body = np.random.default_rng([31, int(rng.choice(assets.bodies))])

    def cloth(color: tuple[float, float, float], group: str) -> Material:
        return Material(
            color, roughness=0.9, layer=assets.textures.pick(group, rng), kind=FABRIC, dirt=0.8
        )

    return Outfit(
        height=float(np.clip(body.normal(1.73, 0.09), 1.5, 1.98)),
        girth=float(np.clip(body.normal(1.06, 0.12), 0.84, 1.4)),
        skin=Material(
            vary(_SKIN[int(body.integers(len(_SKIN)))], body, 0.04), roughness=0.5, dirt=0.05
        ),
        top=cloth(pick_color(assets.cloth_colors, rng), "garment"),
        trousers=cloth(
            pick_color(assets.cloth_colors[:5] if rng.random() < 0.8 else assets.cloth_colors, rng),
            "denim",
        ),
        shoes=Material(vary((0.1, 0.08, 0.07), rng, 0.1), roughness=0.6),
        hair=Material(
            vary(_HAIR[int(body.integers(len(_HAIR)))], body, 0.03), roughness=0.6, dirt=0.1
        ),
        sleeve=float(rng.choice([0.45, 0.5, 0.8, 1.0, 1.0, 1.0])),
        vest=Material(
            (1.0, 1.0, 1.0),
            roughness=0.7,
            layer=assets.textures.pick("vest", rng),
            kind=FABRIC,
            dirt=0.4,
        )
        if rng.random() < 0.55
        else None,
        helmet=Material(
            vary(_HELMETS[int(rng.integers(len(_HELMETS)))], rng, 0.03), roughness=0.3, dirt=0.1
        )
        if rng.random() < 0.4
        else None,
        loose=float(rng.uniform(0.004, 0.02)),
    )
