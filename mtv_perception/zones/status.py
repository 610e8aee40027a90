"""What holds for a zone at one moment, and what became of the results."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class ZoneStatus:
    """One zone at one moment; the fields of ZoneState.msg, and what its points need.

    Attributes:
        name: of the zone.
        valid: False when unknown; to be treated as occupied.
        occupied: meaningful while valid.
        since_ns: when valid and occupied took these values.
        stamp_ns: of the image behind the state; of the judgement while not valid.
        objects: inside, 0 while not valid.
        nearest_m: from the camera, m; NaN when not known.
        points_xy: `(N, 2)` occupied floor points, m.
        reason: why the zone is unknown; empty while valid.
        is_doubtful: an occupied zone may hold nearer objects than were found.
    """

    name: str
    valid: bool
    occupied: bool
    since_ns: int
    stamp_ns: int
    objects: int = 0
    nearest_m: float = math.nan
    points_xy: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))
    reason: str = ""
    is_doubtful: bool = False


@dataclass
class Admission:
    """What became of the results: received = used + late + early + out_of_order.

    Attributes:
        used: judged.
        late: older than the deadline when they came.
        early: stamped in the future.
        out_of_order: not newer than one that was judged.
    """

    used: int = 0
    late: int = 0
    early: int = 0
    out_of_order: int = 0
