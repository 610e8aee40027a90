"""Class ids, names and colours: one table for boxes, masks, overlays, plots and viewers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BACKGROUND_ID = 0
BACKGROUND_NAME = "background"
UNLABELED_ID = 255
# What tools call it; a list of classes may begin with it.
_BACKGROUND_NAMES = frozenset({"background", "_background_", "__background__"})

# What data sets call people: COCO, Open Images, Cityscapes, WiderPerson, and sites with helmets.
_PEOPLE_TEXT = """
person persons people human humans man men woman women boy girl child children adult
pedestrian pedestrians rider riders cyclist worker workers operator operators driver drivers
employee employees staff visitor visitors face faces head heads
"""
_PEOPLE = frozenset(_PEOPLE_TEXT.split())

# Okabe & Ito (2008), "Color universal design": distinguishable with every common colour blindness.
# The rail's is reddish purple: yellow and orange are the colours of vests, bags and floor marks,
# green and vermilion those of zones.
_PALETTE_RGB = (
    (0, 0, 0),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
    (0, 158, 115),
    (240, 228, 66),
    (86, 180, 233),
    (230, 159, 0),
)
UNLABELED_RGB = (128, 128, 128)
_OWN_COLOURS = {"rail": 1, "person": 2, "forklift": 3}
# Towards white (255) or black (0), and how far, for each further round through the palette.
_SHADES = ((255, 0.5), (0, 0.4), (255, 0.75), (0, 0.65))


def _shade(rgb: tuple[int, int, int], number: int) -> tuple[int, int, int]:
    """A colour, or a lighter or darker one of it."""
    end, share = _SHADES[number % len(_SHADES)]
    red, green, blue = (round(value + (end - value) * share) for value in rgb)
    return red, green, blue


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
        """The RGB colour (0..255) of a class id.

        The shipped model's classes keep their colours in any set. The others take the free colours
        of the palette in their order, and then lighter and darker ones.
        """
        if class_id in (BACKGROUND_ID, UNLABELED_ID):
            return UNLABELED_RGB if class_id else _PALETTE_RGB[0]
        name = self.names[class_id]
        if name in _OWN_COLOURS:
            return _PALETTE_RGB[_OWN_COLOURS[name]]
        taken = {_OWN_COLOURS[other] for other in self.foreground if other in _OWN_COLOURS}
        free = [c for index, c in enumerate(_PALETTE_RGB) if index and index not in taken]
        before = sum(other not in _OWN_COLOURS for other in self.names[1:class_id])
        if before < len(free):
            return free[before]
        number, index = divmod(before - len(free), len(_PALETTE_RGB) - 1)
        return _shade(_PALETTE_RGB[1 + index], number)

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


def labels_by_id(class_map: Iterable[Any]) -> LabelSet:
    """The names of a LabelInfo's class map, in whatever order; ids it skips get a name of their own.

    Raises:
        ValueError: no class, or an id that masks can't hold.
    """
    names = {int(item.class_id): str(item.class_name) for item in class_map}
    if not names or max(names) >= UNLABELED_ID or min(names) < 0:
        raise ValueError(f"Expected class ids below {UNLABELED_ID}, got {sorted(names)}.")
    count = max(max(names), 1) + 1
    return LabelSet(tuple(names.get(index, f"class {index}") for index in range(count)))


def labels_with_background(names: Sequence[str]) -> LabelSet:
    """A LabelSet of class names; the background is added where the first of them is not one.

    Raises:
        ValueError: no class, one twice, or the background elsewhere than in front.
    """
    begins = bool(names) and is_background(str(names[0]))
    foreground = [str(name) for name in (names[1:] if begins else names)]
    if BACKGROUND_NAME in foreground:
        raise ValueError(f"Expected no class {BACKGROUND_NAME!r}; it is added by itself.")
    return LabelSet((BACKGROUND_NAME, *foreground))


def is_background(name: str) -> bool:
    """Whether a class name is one that tools give to the background."""
    return name.strip().lower() in _BACKGROUND_NAMES


def people_names(labels: LabelSet) -> tuple[str, ...]:
    """The classes that are people, by their names: "person", "Worker", "warehouse_worker"."""
    return tuple(name for name in labels.foreground if _PEOPLE & set(_words(name)))


def _words(name: str) -> list[str]:
    """The words of a class name, in small letters."""
    return re.findall(r"[a-z]+", name.casefold())
