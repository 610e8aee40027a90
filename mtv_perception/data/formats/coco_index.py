"""The three lists of a COCO index, each item checked before anything is made of it.

Source: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mtv_perception.data.formats.files import read_json
from mtv_perception.data.formats.hints import about_json
from mtv_perception.errors import DatasetError

KEYS = ("images", "annotations", "categories")
_SHOWN = 60  # characters of a wrong value


@dataclass(frozen=True)
class _Rule:
    """A key that an item needs: what it must be, and how to read it; ValueError where it is not."""

    expected: str
    read: Callable[[Any], Any]


def _read_id(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    return _whole(value) if isinstance(value, float) else value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise ValueError(value)
    return int(value)


def _side(value: Any) -> int:
    side = _whole(value)
    if side < 1:
        raise ValueError(value)
    return side


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise ValueError(value)
    value.encode("utf-8")  # half of a surrogate pair is no text
    return value


def _file_name(value: Any) -> str:
    name = _text(value)
    if PurePosixPath(name.replace("\\", "/")).name in ("", ".."):  # A folder, as "." is.
        raise ValueError(value)
    return name


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(value)
    return value


def _crowd(value: Any) -> Any:
    if not isinstance(value, (int, float, str)) or value not in _CROWD:
        raise ValueError(value)
    return value


# As keys, True is 1 and False is 0.
_CROWD: dict[Any, bool] = {0: False, 1: True, "0": False, "1": True} | {
    text: text.lower() == "true" for text in ("true", "false", "True", "False")
}


def is_crowd(annotation: dict[str, Any]) -> bool:
    """Whether it is neither an object to find nor background: a crowd, or one to be ignored."""
    return _CROWD[annotation.get("iscrowd", 0)] or _CROWD[annotation.get("ignore", 0)]


_IDENTITY = _Rule("a whole number or text", _read_id)
_RULES: dict[str, dict[str, _Rule]] = {
    "images": {
        "id": _IDENTITY,
        "file_name": _Rule("a file name", _file_name),
        "width": _Rule("a whole number above 0", _side),
        "height": _Rule("a whole number above 0", _side),
    },
    "annotations": {
        "image_id": _IDENTITY,
        "category_id": _IDENTITY,
        "bbox": _Rule("a list", _list),
    },
    "categories": {"id": _IDENTITY, "name": _Rule("text", _text)},
}
# Where some tools write the objects of an image inside it; there nobody would look for them.
_INSIDE_IMAGES = ("annotations", "annotation", "objects", "bbox", "bboxes", "boxes")
_OPTIONAL = {"annotations": dict.fromkeys(("iscrowd", "ignore"), _Rule("0 or 1", _crowd))}


def read_index(path: Path) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """The three lists without their invalid items, and a fault for each of these."""
    index = read_json(path)
    missing = [
        key for key in KEYS if not isinstance(index, dict) or not isinstance(index.get(key), list)
    ]
    if missing:
        expected, found = (
            ", ".join(map(repr, KEYS)),
            short(index if index is None else _keys(index)),
        )
        raise DatasetError(
            f"{path}: expected COCO annotations with lists {expected}, missing {missing!r} in {found}. "
            f"{about_json(path)}"
        )
    valid: dict[str, list[dict[str, Any]]] = {}
    faults = []
    for key in KEYS:
        valid[key] = []
        for number, item in enumerate(index[key]):
            ready, wrong = _checked(key, item)
            if wrong:
                named = (
                    f" (id {short(item['id'])})" if isinstance(item, dict) and "id" in item else ""
                )
                faults.append(f"{path.name}: {key}[{number}]{named}: {wrong}")
            else:
                valid[key].append(ready)
    return valid, faults


def _keys(index: Any) -> Any:
    return sorted(map(str, index)) if isinstance(index, dict) else type(index).__name__


def _checked(kind: str, item: Any) -> tuple[dict[str, Any], str]:
    """An item with its values read, and what is wrong with it."""
    rules = dict(_RULES[kind])
    if not isinstance(item, dict):
        return {}, f"expected a valid {', '.join(rules)}, got {short(item)}"
    ready = {key: value for key, value in item.items() if value is not None}
    rules |= {key: rule for key, rule in _OPTIONAL.get(kind, {}).items() if key in ready}
    if (
        kind == "annotations"
        and not item.get("bbox")
        and isinstance(item.get("segmentation"), list)
    ):
        ready["bbox"] = _around(item["segmentation"])
    inside = [key for key in _INSIDE_IMAGES if ready.get(key) and isinstance(ready[key], list)]
    if kind == "images" and inside:
        return ready, (
            f"expected its objects in the list 'annotations' beside 'images', each with image_id, found "
            f"{', '.join(map(repr, inside))} inside the image"
        )
    wrong = {}
    for key, rule in rules.items():
        try:
            ready[key] = rule.read(ready[key])
        except KeyError:
            wrong[key] = "nothing"
        except (ValueError, OverflowError):
            wrong[key] = f"{short(ready[key])} (not {rule.expected})"
    found = ", ".join(wrong.values())
    return ready, f"expected a valid {', '.join(wrong)}, got {found}" if wrong else ""


def _around(polygons: list[Any]) -> list[float] | None:
    """The box `[x, y, width, height]` around polygons; None where they are none."""
    try:
        points = np.concatenate([np.asarray(p, np.float64).reshape(-1, 2) for p in polygons])
    except ValueError:
        return None
    low, high = points.min(0), points.max(0)
    return [*map(float, low), *map(float, high - low)]


def is_box(bbox: list[Any]) -> bool:
    """Whether a list is four finite numbers."""
    return len(bbox) == 4 and all(_is_number(value) for value in bbox)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def short(value: Any) -> str:
    """A value as error texts show it."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
