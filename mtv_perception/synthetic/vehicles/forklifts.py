"""Forklifts built from parameters: counterbalance trucks, reach trucks, stackers and pallet trucks.

A machine faces +x with its forks ahead and stands on z = 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mtv_perception.synthetic.render.assets import Assets
from mtv_perception.synthetic.vehicles.counterbalance import counterbalance
from mtv_perception.synthetic.vehicles.forklift_types import Machine, Rng
from mtv_perception.synthetic.vehicles.warehouse_trucks import pallet_truck, reach_truck, stacker

KINDS: dict[str, tuple[Callable[[Assets, Rng, Rng], Machine], float]] = {
    "counterbalance": (counterbalance, 0.6),
    "reach": (reach_truck, 0.18),
    "pallet_truck": (pallet_truck, 0.12),
    "stacker": (stacker, 0.1),
}


def make_forklift(assets: Assets, rng: Rng, kind: str | None = None) -> Machine:
    """A machine of one of the split's designs.

    Raises:
        ValueError: for an unknown kind.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"Expected a forklift kind of {sorted(KINDS)}, got {kind!r}.")
    names = list(KINDS)
    chosen = kind or str(rng.choice(names, p=[KINDS[n][1] for n in names]))
    design = np.random.default_rng([11, int(rng.choice(assets.designs))])
    return KINDS[chosen][0](assets, design, rng)
