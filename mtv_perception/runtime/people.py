"""Where an image may show people, to hide them: more than is reported as found."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mtv_perception.errors import ConfigError
from mtv_perception.geometry.codec import Variances, decode
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.labels import people_names
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.runtime.boxes import CANDIDATES
from mtv_perception.runtime.outputs import RawOutputs, Tensor

# Of the box's sides, on each side of it. Boxes cut off hands and feet; docs/how-to/anonymise.md has
# the figures.
_MARGIN = 0.05
# No score reaches it.
_NEVER = 1.0
_NEIGHBOURS = np.ones((3, 3), np.uint8)


def people_classes(spec: ModelSpec, wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """The classes of a model that are people.

    Args:
        spec: of the model.
        wanted: their names; none for those with a usual name, such as "person" or "worker".

    Raises:
        ConfigError: there is none, or the model was not trained to box one.
    """
    known = ", ".join(spec.labels.foreground)
    for name in wanted:
        if name not in spec.labels.foreground:
            raise ConfigError(f"anonymise_classes: expected a class of {known}, got {name!r}.")
    names = tuple(wanted) or people_names(spec.labels)
    if not names:
        raise ConfigError(
            f"anonymise: expected a model with a class of people, {spec.name} has {known}; "
            "name the classes that are people (anonymise_classes), or take another model."
        )
    for name in names:
        if name not in spec.box_classes:
            raise ConfigError(
                f"anonymise: expected a model that was trained to box {name!r}, {spec.name} was "
                f"trained to box {', '.join(spec.box_classes) or 'nothing'}; take another model."
            )
    return names


class PeopleFinder:
    """Marks the cells of an image that may show people.

    A cell is marked if a box of a class of people, grown by a margin, touches it: every box from a
    low score on, also those that a better one would suppress. It is marked, too, if it or one of
    its neighbours has a class of people in the mask, whatever `mask_threshold` says.

    Args:
        spec: of the model.
        names: its classes of people.
        score: lowest score of a box.
    """

    def __init__(self, spec: ModelSpec, names: Sequence[str], score: float) -> None:
        self._ids = [spec.labels.id_of(name) for name in names]
        self._masked = [spec.labels.id_of(name) for name in names if name in spec.mask_classes]
        self._candidates, self._variances = CANDIDATES[spec.scores], Variances(*spec.variances)
        self._stride, self._count = spec.segmentation_stride, spec.box_spec.count
        self._thresholds = np.full(len(spec.labels.foreground), _NEVER)
        self._thresholds[np.array(self._ids) - 1] = score

    def __call__(
        self, raw: RawOutputs, letterbox: Letterbox, default_cxcywh: np.ndarray
    ) -> np.ndarray:
        """The cells of an image, `(h, w)` bool.

        Args:
            raw: the network's outputs.
            letterbox: where the image lies in its input.
            default_cxcywh: default boxes `(N, 4)`, network pixels.
        """
        cells = self._masked_cells(raw.segmentation_logits, letterbox)
        limit = self._count * len(self._ids)
        rows, _, _ = self._candidates(raw.class_logits, self._thresholds, limit)
        offsets = raw.box_offsets.real(raw.box_offsets.values[rows])
        boxes = decode(offsets, default_cxcywh[rows], self._variances)
        top, left = letterbox.offset_yx
        boxes = (boxes - np.array([left, top, left, top], np.float32)) / self._stride
        _mark(cells, boxes)
        return cells

    def _masked_cells(self, logits: Tensor, letterbox: Letterbox) -> np.ndarray:
        values = letterbox.crop_cells(logits.values)
        if not self._masked:
            return np.zeros(values.shape[:2], bool)
        people = values[..., self._masked].max(-1)
        people_win = (people >= np.delete(values, self._masked, -1).max(-1)).astype(np.uint8)
        return np.asarray(cv2.dilate(people_win, _NEIGHBOURS)).astype(bool)


def _mark(cells: np.ndarray, boxes_xyxy: np.ndarray) -> None:
    """Mark the cells that boxes touch, in place.

    Args:
        cells: `(h, w)` bool.
        boxes_xyxy: `(N, 4)`, cells.
    """
    margin = _MARGIN * (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2])
    limit = np.array(cells.shape[::-1])
    low = np.clip(np.floor(boxes_xyxy[:, :2] - margin), 0, limit).astype(int)
    high = np.clip(np.ceil(boxes_xyxy[:, 2:] + margin), 0, limit).astype(int)
    # Hundreds of boxes around one person often share their cells.
    for x0, y0, x1, y1 in np.unique(np.concatenate([low, high], 1), axis=0).tolist():
        cells[y0:y1, x0:x1] = True
