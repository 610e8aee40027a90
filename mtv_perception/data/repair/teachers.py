"""Teachers that give boxes their masks, and how right they are where the true masks are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mtv_perception.data.repair.pseudo_masks import (
    CROP_SIDE,
    Opinion,
    forklifts,
    people,
    unknown,
)
from mtv_perception.data.sample import Sample
from mtv_perception.errors import WeightsError
from mtv_perception.labels import UNLABELED_ID, WAREHOUSE
from mtv_perception.resources import pointer_hint
from mtv_perception.types import Result

FORKLIFT = WAREHOUSE.id_of("forklift")


class LiteRtTeacher:
    """A LiteRT network from a crop to a person mask; logits and shares both do.

    Args:
        path: of the network.
        threads: CPU threads.

    Raises:
        WeightsError: no LiteRT network, or one of other shapes.
    """

    def __init__(self, path: Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise WeightsError(
                f"{path}: expected a LiteRT network, could not load it: {error}{pointer_hint(path)}"
            ) from error
        (self._input,) = self._interpreter.get_input_details()
        wanted = (1, CROP_SIDE, CROP_SIDE, 1)
        found = [d for d in self._interpreter.get_output_details() if tuple(d["shape"]) == wanted]
        if tuple(self._input["shape"]) != (1, CROP_SIDE, CROP_SIDE, 3) or len(found) != 1:
            raise WeightsError(
                f"{path}: expected a network from (1, 256, 256, 3) to one mask {wanted}."
            )
        self._output = found[0]["index"]

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        """The share of a person at each pixel of a crop."""
        self._interpreter.set_tensor(self._input["index"], crop[None])
        self._interpreter.invoke()
        values = self._interpreter.get_tensor(self._output)[0, ..., 0]
        if values.min() >= 0 and values.max() <= 1:
            return values.copy()
        return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def opinions_of(
    image: np.ndarray,
    sample: Sample,
    teachers: Sequence[Callable[[np.ndarray], np.ndarray]],
    perceive: Callable[[np.ndarray], Result] | None,
) -> dict[str, Opinion]:
    """What the teachers say of every class, the nearer class last.

    A class without a teacher is unknown in its boxes: no pixel there becomes background.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        sample: its boxes.
        teachers: from a crop to the share of a person.
        perceive: a model of ours, for forklifts; without it they stay unknown in their boxes.
    """
    boxes = {
        name: sample.boxes_xyxy[sample.class_ids == WAREHOUSE.id_of(name)]
        for name in ("rail", "forklift", "person")
    }
    found = {name: unknown(image, own) for name, own in boxes.items()}
    found["person"] = person = people(image, boxes["person"], teachers)
    if perceive is not None:
        maybe, seen = person.boxed & ~person.denied, perceive(image).segmentation
        found["forklift"] = forklifts(image, boxes["forklift"], seen, FORKLIFT, maybe)
    return found


class Tally:
    """Right and wrong labels inside the boxes of one class."""

    def __init__(self) -> None:
        self.counts = np.zeros(7, np.int64)
        self.ious: list[float] = []

    def add(self, opinion: Opinion, truth: np.ndarray, class_id: int) -> None:
        """Count one image's labels against its true mask."""
        known = opinion.boxed & (truth != UNLABELED_ID)
        true = known & (truth == class_id)
        likely, sure, denied = (
            known & part for part in (opinion.likely, opinion.sure, opinion.denied)
        )
        parts = (known, likely & true, likely | true, sure, sure & true, denied, denied & ~true)
        counts = np.array([part.sum() for part in parts])
        if counts[2]:
            self.counts += counts
            self.ious.append(counts[1] / counts[2])

    def figures(self) -> dict[str, float]:
        """Shares over all images counted."""
        known, shared, union, sure, sure_right, denied, denied_right = self.counts.tolist()
        values = {
            "images": len(self.ious),
            "iou": shared / max(union, 1),
            "median_iou": float(np.median(self.ious)) if self.ious else 0.0,
            "labelled": (sure + denied) / max(known, 1),
            "right_as_class": sure_right / max(sure, 1),
            "right_as_other": denied_right / max(denied, 1),
            "right": (sure_right + denied_right) / max(sure + denied, 1),
        }
        return {name: round(value, 3) for name, value in values.items()}
