"""Class ids, names and colours: one table for boxes, masks, overlays, plots and viewers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

BACKGROUND_ID = 0
BACKGROUND_NAME = "background"
UNLABELED_ID = 255
# What tools call it; a list of classes may begin with it.
_BACKGROUND_NAMES = frozenset({"background", "_background_", "__background__"})

# Okabe & Ito (2008), "Color universal design": distinguishable with every common colour blindness.
_PALETTE_RGB = (
    (0, 0, 0),
    (240, 228, 66),
    (213, 94, 0),
    (0, 114, 178),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
)
UNLABELED_RGB = (128, 128, 128)


@dataclass(frozen=True)
class LabelSet:
    """Names by class id; id 0 is the background.

    Attributes:
        names: one name for each id, `names[0]` being the background's.
    """

    names: tuple[str, ...] = ("background", "rail", "person", "forklift")
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.names) < 2 or len(set(self.names)) != len(self.names):
            raise ValueError(
                f"Expected a background and at least one class, all different, got {self.names!r}."
            )
        if len(self.names) > UNLABELED_ID:
            raise ValueError(f"Expected at most {UNLABELED_ID} classes, got {len(self.names)}.")
        object.__setattr__(self, "_ids", {name: index for index, name in enumerate(self.names)})

    def __len__(self) -> int:
        return len(self.names)

    @property
    def foreground(self) -> tuple[str, ...]:
        """The names of ids 1, 2, ..."""
        return self.names[1:]

    def id_of(self, name: str) -> int:
        """The id of a class name; ValueError lists the known ones."""
        if name not in self._ids:
            raise ValueError(f"Expected a class of {', '.join(self.names)}, got {name!r}.")
        return self._ids[name]

    def colour(self, class_id: int) -> tuple[int, int, int]:
        """The RGB colour (0..255) of a class id."""
        if class_id in (BACKGROUND_ID, UNLABELED_ID):
            return UNLABELED_RGB if class_id else _PALETTE_RGB[0]
        return _PALETTE_RGB[1 + (class_id - 1) % (len(_PALETTE_RGB) - 1)]

    def colour_table(self) -> np.ndarray:
        """All colours as a lookup table, `(256, 3)` uint8, RGB, indexed by mask value."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = [self.colour(index) for index in range(len(self))]
        table[UNLABELED_ID] = UNLABELED_RGB
        return table


WAREHOUSE = LabelSet()


def labels_of(names: Sequence[str]) -> LabelSet:
    """A LabelSet from any sequence of names (as read from YAML)."""
    return LabelSet(tuple(str(name) for name in names))


def labels_with_background(names: Sequence[str]) -> LabelSet:
    """A LabelSet of class names; the background is added where the first of them is not one.

    Raises:
        ValueError: no class, one twice, or the background elsewhere than in front.
    """
    first = str(names[0]).strip().lower() if names else ""
    foreground = [str(name) for name in (names[1:] if first in _BACKGROUND_NAMES else names)]
    if BACKGROUND_NAME in foreground:
        raise ValueError(f"Expected no class {BACKGROUND_NAME!r}; it is added by itself.")
    return LabelSet((BACKGROUND_NAME, *foreground))
