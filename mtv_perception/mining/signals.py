"""Why one frame is worth labelling: what the model is unsure of there, and contradicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mtv_perception.geometry.boxes import box_areas, pairwise_intersections
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.types import Detections, Result

UNCERTAIN, DISAGREE, FLICKER, FAR = "uncertain", "disagree", "flicker", "far"
KINDS = (UNCERTAIN, DISAGREE, FLICKER, FAR)

_MOST_UNCERTAIN = 3  # of a frame; more of them are mostly one crowd
_PART_OF = 0.5  # of its area inside a better box: a part of that object, no other one
_LEAST_SHARE = 0.05  # of a box's pixels; a rail across a box has few, a person a third
_LEAST_REGION = 0.002  # of the image: 25x25 pixels of 640x480; less is the rim of an object
_PLACE = "{place}"  # filled in once a signal is chosen
_MARGIN = 0.1  # of a box's sides, around it: masks are coarser than boxes


@dataclass(frozen=True)
class Signal:
    """One reason to label a frame.

    Attributes:
        kind: of KINDS.
        value: 0..1, how strong.
        text: the reason for a person.
    """

    kind: str
    value: float
    text: str


@dataclass(frozen=True)
class Judge:
    """Finds the signals of single frames.

    Attributes:
        spec: of the model.
        thresholds: score threshold of each foreground class, `(K,)`.
    """

    spec: ModelSpec
    thresholds: np.ndarray

    def kept(self, found: Detections) -> Detections:
        """Those that reach the threshold of their class: what the robot acts on."""
        return found.select(found.scores >= self.thresholds[found.class_ids - 1])

    def signals(self, result: Result) -> list[Signal]:
        """The signals of a frame.

        Args:
            result: detections down to half the thresholds, the mask of any size.
        """
        kept = self.kept(result.detections)
        return [*self._uncertain(result.detections, kept), *self._disagree(result, kept)]

    def _uncertain(self, found: Detections, kept: Detections) -> Iterator[Signal]:
        """Half of how near the scores are to their thresholds: at one, half of them are wrong."""
        limits = self.thresholds[found.class_ids - 1]
        reach = np.where(found.scores < limits, limits / 2, (1 - limits) / 2)
        doubt = np.clip(1 - np.abs(found.scores - limits) / np.maximum(reach, 1e-9), 0, 1) / 2
        doubt[self._parts(found, kept, limits)] = 0
        order = np.argsort(-doubt, kind="stable")[:_MOST_UNCERTAIN]
        value = float(1 - np.prod(1 - doubt[order]))
        if value <= 0:
            return
        first = order[0]
        name, score = self._name(found.class_ids[first]), found.scores[first]
        others = int((doubt[order[1:]] > 0).sum())
        more = f", and {others} more" if others else ""
        place = _place(found.boxes_xyxy[first])
        text = f"{name} {place} with score {score:.2f}, threshold {limits[first]:.2f}{more}"
        yield Signal(UNCERTAIN, value, text)

    @staticmethod
    def _parts(found: Detections, kept: Detections, limits: np.ndarray) -> np.ndarray:
        """Which detections below the threshold are parts of one above it, `(N,)` bool."""
        if not len(found) or not len(kept):
            return np.zeros(len(found), bool)
        shared = pairwise_intersections(found.boxes_xyxy, kept.boxes_xyxy)
        inside = shared > _PART_OF * np.maximum(box_areas(found.boxes_xyxy), 1e-9)[:, None]
        same = found.class_ids[:, None] == kept.class_ids[None]
        return np.asarray((inside & same).any(1) & (found.scores < limits))

    def _disagree(self, result: Result, kept: Detections) -> Iterator[Signal]:
        """The strongest box without pixels and the strongest pixels without a box."""
        mask = result.segmentation.class_ids
        scale = np.array(mask.shape[::-1]) / np.array(result.size_hw[::-1])
        boxes = kept.boxes_xyxy * np.tile(scale, 2)
        lonely: list[tuple[float, np.ndarray, str]] = []
        for name in self.spec.mask_classes:
            if name not in self.spec.box_classes:
                continue
            class_id = self.spec.labels.id_of(name)
            own = kept.class_ids == class_id
            pixels = mask == class_id
            lonely += self._boxes_alone(name, boxes[own], kept.scores[own], pixels)
            confidence = result.segmentation.confidence
            lonely += self._regions_alone(name, boxes[own], pixels, confidence)
        if lonely:
            value, box, text = max(lonely, key=lambda item: item[0])
            yield Signal(DISAGREE, value, text.replace(_PLACE, _place(box / np.tile(scale, 2))))

    @staticmethod
    def _boxes_alone(
        name: str, boxes: np.ndarray, scores: np.ndarray, pixels: np.ndarray
    ) -> Iterator[tuple[float, np.ndarray, str]]:
        """Strength, box in the mask's pixels, and text of each box that the mask leaves empty."""
        for box, score in zip(boxes, scores, strict=True):
            inside = pixels[_window(box, pixels.shape)]
            share = float(inside.mean()) if inside.size else 1.0
            if share < _LEAST_SHARE:
                value = float(score) * (1 - share / _LEAST_SHARE)
                text = (
                    f"{name} boxed {_PLACE} with score {score:.2f}, {share:.0%} of it in the mask"
                )
                yield value, box, text

    @staticmethod
    def _regions_alone(
        name: str, boxes: np.ndarray, pixels: np.ndarray, confidence: np.ndarray
    ) -> Iterator[tuple[float, np.ndarray, str]]:
        """The same of the largest region that no box touches."""
        outside = pixels.copy()
        margin = (boxes[:, 2:] - boxes[:, :2]) * _MARGIN
        for box in np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], 1):
            outside[_window(box, pixels.shape)] = False
        count, regions, stats, _ = cv2.connectedComponentsWithStats(outside.astype(np.uint8))
        areas = stats[1:count, cv2.CC_STAT_AREA]
        if not len(areas) or areas.max() < _LEAST_REGION * pixels.size:
            return
        largest, share = 1 + int(areas.argmax()), areas.max() / pixels.size
        x, y, width, height = stats[largest, :4].tolist()
        value = float(confidence[regions == largest].mean()) / 255
        text = f"{name} in the mask {_PLACE}, {share:.1%} of the image, without a box"
        yield value, np.array([x, y, x + width, y + height], np.float64), text

    def _name(self, class_id: int) -> str:
        return self.spec.labels.names[class_id]


def _place(box_xyxy: np.ndarray) -> str:
    """The middle of a box, for a person."""
    x, y = ((box_xyxy[:2] + box_xyxy[2:]) / 2).round().astype(int).tolist()
    return f"at {x}, {y}"


def _window(box_xyxy: np.ndarray, shape_hw: tuple[int, ...]) -> tuple[slice, slice]:
    """The pixels that a box touches."""
    x0, y0 = np.floor(box_xyxy[:2]).astype(int)
    x1, y1 = np.ceil(box_xyxy[2:]).astype(int)
    height, width = shape_hw
    return slice(max(0, y0), min(height, max(0, y1))), slice(max(0, x0), min(width, max(0, x1)))


def worth(signals: Sequence[Signal]) -> float:
    """How much a frame is worth labelling, 0..1: as chances that the model is wrong, joined."""
    best = {kind: max([s.value for s in signals if s.kind == kind], default=0.0) for kind in KINDS}
    return float(1 - np.prod([1 - value for value in best.values()]))
