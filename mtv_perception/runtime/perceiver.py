"""One image in, one Result out: letterbox, network, boxes, mask."""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np

from mtv_perception.errors import ArtefactError, ImageError
from mtv_perception.geometry.boxes import clip_boxes, pairwise_iou
from mtv_perception.geometry.codec import Variances
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.runtime.backends.config import EngineConfig
from mtv_perception.runtime.boxes import CANDIDATES, Candidates, decode_boxes, suppress
from mtv_perception.runtime.mask import segment
from mtv_perception.runtime.outputs import Backend, RawOutputs
from mtv_perception.runtime.people import PeopleFinder
from mtv_perception.runtime.settings import PerceiverConfig, reading_of
from mtv_perception.runtime.trained import KnownClasses, unlabelled
from mtv_perception.types import Detections, Result, Segmentation, Timing


def _check_finite(raw: RawOutputs) -> None:
    """A value that is no number is above no threshold: without an error it would mean nobody is there."""
    for name, tensor in vars(raw).items():
        # A sum is finite only if all its values are.
        if not tensor.is_quantised and not np.isfinite(tensor.values.sum(dtype=np.float64)):
            raise ArtefactError(f"the network gave values of {name} that are no numbers.")


class Model(Protocol):
    """A described network that can be opened: an Artefact, or a Keras model in training."""

    @property
    def spec(self) -> ModelSpec:
        """What the network is."""

    def open(self, config: EngineConfig) -> Backend:
        """A runnable copy."""


class Perceiver:
    """Runs a model on images, one at a time; not to be shared between threads.

    Args:
        model: an artefact.
        config: thresholds and limits, the usual ones where None; may be replaced between images (`config` property).

    Raises:
        ArtefactError: the model can't be opened.
        ConfigError: the configuration does not fit the model's classes.
    """

    def __init__(self, model: Model, config: PerceiverConfig | None = None) -> None:
        self.spec = model.spec
        self._known = KnownClasses(model.spec)
        self._candidates = CANDIDATES[model.spec.scores]
        self._variances = Variances(*model.spec.variances)
        self.config = config or PerceiverConfig()
        # Opened before the default boxes are laid out: opening finds out whether their number is
        # the network's.
        self._backend = model.open(self.config.engine)
        self._default_cxcywh = model.spec.box_spec.boxes_cxcywh()

    @property
    def config(self) -> PerceiverConfig:
        """Thresholds and limits in force."""
        return self._config

    @config.setter
    def config(self, config: PerceiverConfig) -> None:
        thresholds, suppressed = config.thresholds(self.spec), config.suppressed(self.spec)
        self._people = _people_finder(self.spec, config, thresholds)
        thresholds[~self._known.boxed[1:]] = 1.0  # which no score reaches
        self._thresholds, self._suppressed = thresholds, suppressed
        self._iou_threshold = (
            config.iou_threshold if config.iou_threshold >= 0 else self.spec.iou_threshold
        )
        self._config, self.reading = config, reading_of(self.spec, config)

    @property
    def engine(self) -> str:
        """The engine that runs the network, and why where that was measured."""
        return self._backend.engine

    @property
    def lowest_threshold(self) -> float:
        """The lowest score a detection can have."""
        return float(self._thresholds.min())

    def __call__(self, image_rgb: np.ndarray) -> Result:
        """See one image.

        Args:
            image_rgb: `(H, W, 3)` uint8, any size.

        Returns:
            Detections and segmentation in the image's pixels.

        Raises:
            ImageError: of another shape or dtype, or empty.
        """
        if (
            image_rgb.ndim != 3
            or image_rgb.shape[2] != 3
            or image_rgb.dtype != np.uint8
            or not image_rgb.size
        ):
            raise ImageError(
                f"Expected an image (H, W, 3) uint8, got {image_rgb.shape} {image_rgb.dtype}."
            )
        start = time.perf_counter()
        letterbox = Letterbox.fit(
            (image_rgb.shape[0], image_rgb.shape[1]),
            self.spec.size_hw,
            self.spec.segmentation_stride,
        )
        letterbox.write(image_rgb, self._backend.input_view())
        filled = time.perf_counter()
        raw = self._backend.run()
        _check_finite(raw)
        ran = time.perf_counter()
        candidates = self._candidates(
            raw.class_logits, self._thresholds, self._config.max_candidates
        )
        known = self._known.candidates(candidates)
        boxes = decode_boxes(known, raw.box_offsets, self._default_cxcywh, self._variances)
        found = self._suppress(known, boxes, self._iou_threshold)
        mask_hw = letterbox.source_hw if self._config.mask_size == "source" else letterbox.inner_hw
        segmentation = self._segment(raw, letterbox, mask_hw)
        detections = self._finish(found, letterbox, segmentation)
        truncated = self._is_truncated(len(candidates[0]), found) or self._is_thinned(
            known, boxes, found
        )
        people = self._people(raw, letterbox, self._default_cxcywh) if self._people else None
        timing = Timing(
            (filled - start) * 1e3, (ran - filled) * 1e3, (time.perf_counter() - ran) * 1e3
        )
        return Result(detections, segmentation, letterbox.source_hw, timing, truncated, people)

    def raw_outputs(self, input_rgb: np.ndarray) -> RawOutputs:
        """The network's outputs for a picture `(H, W, 3)` uint8 of its own size.

        Valid until the next run.
        """
        self._backend.input_view()[:] = input_rgb
        return self._backend.run()

    def _suppress(
        self, candidates: Candidates, boxes_xyxy: np.ndarray, iou_threshold: float
    ) -> Detections:
        limits = (self._config.max_per_class, self._config.max_detections)
        return suppress(candidates, boxes_xyxy, iou_threshold, *limits, thresholds=self._thresholds)

    def _is_thinned(
        self, candidates: Candidates, boxes_xyxy: np.ndarray, found: Detections
    ) -> bool:
        """Whether the user's overlap drops boxes that the model's own keeps: an object may be missing."""
        if self._iou_threshold >= self.spec.iou_threshold:
            return False
        usual = self._suppress(candidates, boxes_xyxy, self.spec.iou_threshold)
        # Not by their numbers: where the user's drops a large box, several within it may stay.
        same = usual.class_ids[:, None] == found.class_ids
        best = (pairwise_iou(usual.boxes_xyxy, found.boxes_xyxy) * same).max(1, initial=0)
        return bool(((best <= self.spec.iou_threshold) & (best < 1)).any())

    def _is_truncated(self, candidates: int, found: Detections) -> bool:
        """Whether a limit was reached, so that objects may be missing."""
        config = self._config
        return bool(
            candidates >= config.max_candidates
            or len(found) >= config.max_detections
            or np.bincount(found.class_ids, minlength=1).max() >= config.max_per_class
        )

    def _segment(
        self, raw: RawOutputs, letterbox: Letterbox, size_hw: tuple[int, int]
    ) -> Segmentation:
        if not self._known.masks:
            return unlabelled(size_hw)
        logits, threshold = raw.segmentation_logits, self._config.mask_threshold
        return self._known.known(segment(logits, letterbox, size_hw, threshold))

    def _finish(
        self, found: Detections, letterbox: Letterbox, segmentation: Segmentation
    ) -> Detections:
        """To source pixels, clipped; boxes that lie wholly in the padding.

        And absent classes where asked, dropped.
        """
        boxes = clip_boxes(letterbox.boxes_to_source(found.boxes_xyxy), letterbox.source_hw)
        keep = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
        for class_id in self._suppressed:
            if not (segmentation.class_ids == class_id).any():
                keep &= found.class_ids != class_id
        return Detections(boxes[keep], found.scores[keep], found.class_ids[keep])


def _people_finder(
    spec: ModelSpec, config: PerceiverConfig, thresholds: np.ndarray
) -> PeopleFinder | None:
    """What finds people to hide, where that is asked for; at least those that are reported."""
    names = config.people(spec)
    if not names:
        return None
    lowest = min(thresholds[spec.labels.id_of(name) - 1] for name in names)
    return PeopleFinder(spec, names, min(config.anonymise_score, float(lowest)))
