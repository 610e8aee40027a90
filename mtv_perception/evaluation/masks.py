"""Mask scores gathered image by image: nothing but sums is kept."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mtv_perception.data.sample import Sample, sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import BACKGROUND_ID, UNLABELED_ID, LabelSet
from mtv_perception.metrics.boundary import boundary_f, tolerance_of
from mtv_perception.metrics.legacy import legacy_image_accuracy, legacy_image_jaccard
from mtv_perception.metrics.segmentation import class_iou, confusion_matrix, mean_iou, merge_table


@dataclass(frozen=True)
class MaskScores:
    """Scores of all masks of a data set; NaN where the truth has no such class.

    Attributes:
        confusion: `(C, C + 1)` int64 pixels, rows the truth, last column "the network did not say".
        iou: `(C,)` 0..1.
        boundary_f: `(C,)` 0..1, of the foreground classes.
        miou: mean of `iou`.
        miou_foreground: the same without the background.
        legacy_jaccard: `(C,)`, see metrics/legacy.py.
        legacy_accuracy: see metrics/legacy.py.
        images: how many images have a mask.
    """

    confusion: np.ndarray
    iou: np.ndarray
    boundary_f: np.ndarray
    miou: float
    miou_foreground: float
    legacy_jaccard: np.ndarray
    legacy_accuracy: float
    images: int


@dataclass
class MaskScorer:
    """Adds up the masks of a data set.

    Attributes:
        labels: the classes.
        with_boundaries: also follow the outlines, which costs some milliseconds an image.
    """

    labels: LabelSet
    with_boundaries: bool = True
    _confusion: np.ndarray = field(init=False)
    _boundary: list[np.ndarray] = field(init=False, default_factory=list)
    _jaccard: list[np.ndarray] = field(init=False, default_factory=list)
    _accuracy: list[float] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._confusion = np.zeros((len(self.labels), len(self.labels) + 1), np.int64)

    def add(self, sample: Sample, predicted: np.ndarray) -> float:
        """Count one image.

        Args:
            sample: its mask is read here; without one nothing is counted.
            predicted: `(H, W)` uint8 class ids in source pixels.

        Returns:
            The image's own mean IoU over the classes in it; NaN without a mask.
        """
        truth = sample_mask(sample) if sample.mask_classes else None
        if truth is None:
            return float("nan")
        self._check(sample, truth, predicted)
        merge = merge_table(sample.mask_classes)
        truth, predicted = merge[truth], merge[predicted]
        counts = confusion_matrix(truth, predicted, len(self.labels))
        self._confusion += counts
        self._jaccard.append(legacy_image_jaccard(counts))
        self._accuracy.append(legacy_image_accuracy(counts))
        if self.with_boundaries:
            self._boundary.append(self._boundaries(truth, predicted, sample.mask_classes))
        return mean_iou(class_iou(counts))

    def _check(self, sample: Sample, truth: np.ndarray, predicted: np.ndarray) -> None:
        where = sample.mask_path or sample.image_path
        if truth.shape != predicted.shape:
            raise DatasetError(f"{where}: expected a mask of {predicted.shape}, got {truth.shape}.")
        highest = int(truth[truth != UNLABELED_ID].max(initial=0))
        if highest >= len(self.labels):
            raise DatasetError(
                f"{where}: expected class ids below {len(self.labels)} or 255, got {highest}."
            )

    def _boundaries(
        self, truth: np.ndarray, predicted: np.ndarray, known: tuple[int, ...]
    ) -> np.ndarray:
        tolerance = tolerance_of((truth.shape[0], truth.shape[1]))
        scores = np.full(len(self.labels), np.nan)
        for class_id in set(known) - {BACKGROUND_ID}:
            scores[class_id] = boundary_f(truth, predicted, class_id, tolerance)
        return scores

    def scores(self) -> MaskScores:
        """The scores of everything added so far."""
        iou = class_iou(self._confusion)
        return MaskScores(
            confusion=self._confusion.copy(),
            iou=iou,
            boundary_f=np.where(
                np.isnan(iou), np.nan, _column_means(self._boundary, len(self.labels))
            ),
            miou=mean_iou(iou),
            miou_foreground=mean_iou(iou, foreground_only=True),
            legacy_jaccard=np.where(
                np.isnan(iou), np.nan, _column_means(self._jaccard, len(self.labels))
            ),
            legacy_accuracy=float(_column_means([np.array([a]) for a in self._accuracy], 1)[0]),
            images=len(self._jaccard),
        )


def _column_means(rows: list[np.ndarray], width: int) -> np.ndarray:
    """Means of the columns, `(width,)`, without NaN entries.

    NaN for a column that has nothing else.
    """
    table = np.array(rows, float).reshape(-1, width)
    count = (~np.isnan(table)).sum(0)
    means: np.ndarray = np.divide(
        np.nansum(table, 0), count, out=np.full(width, np.nan), where=count > 0
    )
    return means
