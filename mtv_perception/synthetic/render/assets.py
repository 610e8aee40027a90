"""What differs between the splits.

Colours, textures and designs from pools that no other split uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtv_perception.synthetic.render.mesh import Material
from mtv_perception.synthetic.render.textures import TexturePool, make_pool

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Assets:
    """The asset pools of a split.

    Attributes:
        split: "train" or "heldout".
        textures: painted layers.
        machine_colors: sRGB body colours of forklifts.
        cloth_colors: sRGB.
        rack_colors: sRGB uprights and beams.
        designs: seeds of forklift designs; a design fixes proportions and equipment.
        bodies: seeds of people's proportions and faces.
        rail_profiles: seeds of rail cross-sections and finishes.
    """

    split: str
    textures: TexturePool
    machine_colors: tuple[Rgb, ...]
    cloth_colors: tuple[Rgb, ...]
    rack_colors: tuple[Rgb, ...]
    designs: tuple[int, ...]
    bodies: tuple[int, ...]
    rail_profiles: tuple[int, ...]


_MACHINES: dict[str, tuple[Rgb, ...]] = {
    "train": (
        (0.93, 0.70, 0.05),
        (0.90, 0.38, 0.05),
        (0.75, 0.10, 0.08),
        (0.95, 0.80, 0.25),
        (0.20, 0.45, 0.30),
        (0.10, 0.25, 0.50),
        (0.55, 0.57, 0.58),
        (0.85, 0.82, 0.72),
        (0.16, 0.17, 0.18),
        (0.80, 0.55, 0.10),
        (0.62, 0.14, 0.10),
        (0.15, 0.55, 0.50),
    ),
    "heldout": (
        (0.96, 0.62, 0.02),
        (0.82, 0.22, 0.05),
        (0.88, 0.86, 0.15),
        (0.30, 0.50, 0.16),
        (0.35, 0.37, 0.42),
        (0.08, 0.36, 0.62),
    ),
}
_CLOTH: dict[str, tuple[Rgb, ...]] = {
    "train": (
        (0.10, 0.12, 0.18),
        (0.16, 0.22, 0.38),
        (0.30, 0.30, 0.32),
        (0.62, 0.60, 0.55),
        (0.08, 0.08, 0.08),
        (0.42, 0.10, 0.10),
        (0.85, 0.85, 0.84),
        (0.22, 0.30, 0.20),
        (0.35, 0.26, 0.18),
        (0.25, 0.42, 0.62),
        (0.72, 0.60, 0.42),
        (0.75, 0.30, 0.12),
    ),
    "heldout": (
        (0.05, 0.18, 0.22),
        (0.48, 0.46, 0.50),
        (0.55, 0.16, 0.22),
        (0.28, 0.20, 0.36),
        (0.90, 0.80, 0.62),
        (0.15, 0.28, 0.48),
    ),
}
_RACKS: dict[str, tuple[Rgb, ...]] = {
    "train": (
        (0.10, 0.22, 0.50),
        (0.85, 0.36, 0.06),
        (0.60, 0.62, 0.63),
        (0.15, 0.38, 0.25),
        (0.70, 0.62, 0.50),
        (0.25, 0.27, 0.30),
    ),
    "heldout": ((0.05, 0.35, 0.45), (0.75, 0.22, 0.10), (0.78, 0.78, 0.75)),
}


def make_assets(split: str) -> Assets:
    """The pools of a split.

    Raises:
        ValueError: for an unknown split.
    """
    textures = make_pool(split)
    first, count = (0, 400) if split == "train" else (100_000, 120)
    seeds = tuple(range(first, first + count))
    return Assets(
        split,
        textures=textures,
        machine_colors=_MACHINES[split],
        cloth_colors=_CLOTH[split],
        rack_colors=_RACKS[split],
        designs=seeds,
        bodies=seeds,
        rail_profiles=seeds,
    )


def vary(color: Rgb | np.ndarray, rng: np.random.Generator, amount: float = 0.06) -> Rgb:
    """A colour close to another one."""
    near = np.clip(
        np.asarray(color) * rng.uniform(1 - 2 * amount, 1 + 2 * amount)
        + rng.normal(0, amount / 6, 3),
        0.01,
        1.0,
    )
    return float(near[0]), float(near[1]), float(near[2])


def pick_color(colors: tuple[Rgb, ...], rng: np.random.Generator, amount: float = 0.06) -> Rgb:
    """A colour of a pool, slightly varied."""
    return vary(colors[int(rng.integers(len(colors)))], rng, amount)


BLACK = Material((0.05, 0.05, 0.055), roughness=0.65, dirt=0.5)
RUBBER = Material((0.07, 0.07, 0.07), roughness=0.9, dirt=0.7)
STEEL = Material((0.62, 0.62, 0.63), roughness=0.35, metallic=1.0, dirt=0.5)
DARK_STEEL = Material((0.16, 0.16, 0.17), roughness=0.45, metallic=0.5, dirt=0.6)
