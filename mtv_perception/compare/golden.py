"""A run in a small file that fits into a repository.

Boxes, scores and masks at an eighth of their size.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.compare.runs import FrameKey, FrameKeys, Run, RunFrame, open_run
from mtv_perception.errors import ReplayError
from mtv_perception.labels import LabelSet, labels_of
from mtv_perception.resources import pointer_hint, write_whole
from mtv_perception.types import Detections

FORMAT = "mtv golden run 1"
_SHRINK = 8
_ID_DIGITS = {"box": 1, "score": 4}


@dataclass(frozen=True)
class GoldenRun(Run):
    """A run read from a golden file."""

    small_masks: dict[FrameKey, str]

    def masks(self) -> Iterator[tuple[FrameKey, np.ndarray]]:
        """Each frame's small mask.

        Raises:
            ReplayError: a mask that is damaged.
        """
        for key, text in self.small_masks.items():
            mask = _pixels(text)
            if mask is None:
                raise ReplayError(
                    f"{self.path}: stamp_ns {key.stamp_ns}: expected a mask (PNG in base64), "
                    "could not decode it."
                )
            yield key, mask


def shrink_mask(class_ids: np.ndarray) -> np.ndarray:
    """Every eighth pixel, from the fourth on: the centres of 8x8 cells."""
    return np.ascontiguousarray(class_ids[_SHRINK // 2 :: _SHRINK, _SHRINK // 2 :: _SHRINK])


def write_golden(run: Run, path: Path) -> None:
    """Write a run as a golden file; one frame a line, so that changes read well in a diff.

    Raises:
        ReplayError: the run is damaged. A golden file of a part would hide what later runs lose.
    """
    if run.damage:
        raise ReplayError(
            f"{run.path}: expected a whole run for a golden file, got a damaged one: {run.damage}; "
            "repeat the replay"
        )
    masks = {key: _coded(shrink_mask(mask)) for key, mask in run.masks()}
    head = {
        "format": FORMAT,
        "model": run.model_id,
        "classes": list(run.labels.names),
        "frames": len(run.frames),
    }
    lines = [
        json.dumps(
            {
                "camera": key.camera,
                "stamp_ns": key.stamp_ns,
                "objects": _objects(frame),
                "mask": masks.get(key, ""),
            },
            separators=(",", ":"),
        )
        for key, frame in run.frames.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "\n".join([json.dumps(head), *lines]) + "\n")


def _objects(frame: RunFrame) -> list[list[float]]:
    """Class id, score, x0, y0, x1, y1 of each detection."""
    found = frame.detections
    return [
        [
            class_id,
            round(score, _ID_DIGITS["score"]),
            *(round(value, _ID_DIGITS["box"]) for value in box),
        ]
        for class_id, score, box in zip(
            found.class_ids.tolist(), found.scores.tolist(), found.boxes_xyxy.tolist(), strict=True
        )
    ]


def _coded(mask: np.ndarray) -> str:
    _, png = cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return base64.b64encode(png.tobytes()).decode()


def _pixels(text: str) -> np.ndarray | None:
    """What `_coded` wrote; None where it is damaged."""
    try:
        coded = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        return cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)
    except (ValueError, TypeError, cv2.error):  # OpenCV's own: no bytes at all.
        return None


def read_golden(path: Path) -> GoldenRun:
    """Read a golden file.

    Raises:
        ReplayError: it is none, or some of its frames are missing.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if not text.strip():
            raise ValueError("it is empty")
        head, *lines = (json.loads(line) for line in text.splitlines())
        if head.get("format") != FORMAT:
            raise ValueError(f"expected format {FORMAT!r}, got {head.get('format')!r}")
        labels = labels_of(head["classes"])
        keys = FrameKeys()
        keyed = [(keys(str(line["camera"]), _stamp(line["stamp_ns"])), line) for line in lines]
        frames = {key: RunFrame(_detections(line["objects"], labels)) for key, line in keyed}
        masks = {key: line["mask"] for key, line in keyed if line["mask"]}
        # Files of earlier versions do not say how many frames they have.
        if len(lines) != (expected := head.get("frames", len(lines))):
            raise ValueError(f"expected {expected} frames by its head, got {len(lines)}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReplayError(
            f"{path}: expected a golden run, could not read it: {error}"
            f"{pointer_hint(path) or '; `mtv replay --golden` writes it again'}"
        ) from error
    return GoldenRun(path, head["model"], labels, frames, masks)


def _detections(objects: list[list[float]], labels: LabelSet) -> Detections:
    table = np.asarray(objects, np.float32).reshape(-1, 6)
    ids, scores, boxes = table[:, 0], table[:, 1], table[:, 2:]
    if not ((ids >= 0) & (ids < len(labels)) & (ids == ids.round())).all():
        raise ValueError(f"expected class ids of 0 to {len(labels) - 1}")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError(f"expected scores of 0 to 1, got {scores.tolist()}")
    if not (np.isfinite(boxes).all() and (boxes[:, :2] <= boxes[:, 2:]).all()):
        raise ValueError(f"expected boxes x0, y0, x1, y1 in pixels, got {boxes.tolist()}")
    return Detections(boxes, scores, ids.astype(np.int32))


def _stamp(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError(f"expected stamp_ns as a whole number, got {value!r}")
    return value


def read_run(path: Path) -> Run:
    """A run from a bag or a golden file."""
    if path.is_file() and path.suffix in (".json", ".jsonl"):
        return read_golden(path)
    return open_run(path)
