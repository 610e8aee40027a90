"""The one result that flows from the network to whoever acts on it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

NANOSECONDS = 1_000_000_000
"""In a second."""


def _empty(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.empty(shape, dtype)


@dataclass(frozen=True)
class Detections:
    """Objects in one image, best score first.

    Attributes:
        boxes_xyxy: `(N, 4)` float32, corners x0, y0, x1, y1 in source pixels; pixel edges, so a box
            over the whole image is `0, 0, width, height`.
        scores: `(N,)` float32 in 0..1.
        class_ids: `(N,)` int32, never the background.
    """

    boxes_xyxy: np.ndarray = field(default_factory=lambda: _empty(0, 4))
    scores: np.ndarray = field(default_factory=lambda: _empty(0))
    class_ids: np.ndarray = field(default_factory=lambda: _empty(0, dtype=np.int32))

    def __post_init__(self) -> None:
        count = len(self.scores)
        if self.boxes_xyxy.shape != (count, 4) or self.class_ids.shape != (count,):
            raise ValueError(
                f"Expected boxes (N, 4), scores (N,), class_ids (N,), got {self.boxes_xyxy.shape}, "
                f"{self.scores.shape}, {self.class_ids.shape}."
            )

    def __len__(self) -> int:
        return len(self.scores)

    def select(self, index: np.ndarray) -> Detections:
        """The detections at `index` (int positions or a bool mask)."""
        return Detections(self.boxes_xyxy[index], self.scores[index], self.class_ids[index])


@dataclass(frozen=True)
class Segmentation:
    """What every pixel is.

    Attributes:
        class_ids: `(H, W)` uint8; 255 where the confidence is below the threshold.
        confidence: `(H, W)` uint8; the winner's softmax share against its strongest rival, 255
            being certain.
    """

    class_ids: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True)
class Timing:
    """Milliseconds spent in each stage of one frame; the mask takes its time when it is read."""

    preprocess_ms: float = 0.0
    network_ms: float = 0.0
    postprocess_ms: float = 0.0

    @property
    def total_ms(self) -> float:
        """The sum of the stages."""
        return self.preprocess_ms + self.network_ms + self.postprocess_ms


@dataclass(frozen=True)
class Result:
    """Everything one pass of the network says about one image, in source pixels.

    Attributes:
        detections: the objects.
        segmentation: the pixels.
        size_hw: height and width of the source image, pixels.
        timing: where the time went.
        truncated: objects may be missing: a limit of the number of detections was reached, or an
            iou_threshold below the model's dropped more.
        people: cells over the whole image, `(h, w)` bool, that may show people; None where the
            perceiver was not asked for them (`anonymise`).
    """

    detections: Detections
    segmentation: Segmentation
    size_hw: tuple[int, int]
    timing: Timing = field(default_factory=Timing)
    truncated: bool = False
    people: np.ndarray | None = None
