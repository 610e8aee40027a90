"""One image in, one Result out: letterbox, network, boxes, mask."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mtv_perception.config import check_fields, setting
from mtv_perception.errors import ArtefactError, ConfigError, ImageError
from mtv_perception.geometry.boxes import clip_boxes
from mtv_perception.geometry.codec import Variances
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.runtime.artefact import BALANCED, OPERATING_POINTS, ModelSpec
from mtv_perception.runtime.backends.config import BACKENDS, CPU, LITERT, EngineConfig
from mtv_perception.runtime.boxes import CANDIDATES, Candidates, detect
from mtv_perception.runtime.mask import segment
from mtv_perception.runtime.outputs import Backend, RawOutputs
from mtv_perception.runtime.people import PeopleFinder, people_classes
from mtv_perception.runtime.reading import reading_of
from mtv_perception.runtime.trained import KnownClasses, unlabelled
from mtv_perception.types import Detections, Result, Segmentation, Timing

DEFAULT_THRESHOLD = 0.3
MOST_THREADS = 64  # A larger number is taken for a typing error.
_LOWEST_THRESHOLD = 1e-4


@dataclass(frozen=True)
class PerceiverConfig:
    """What the user may choose about results; ConfigError where a value is out of bounds."""

    score_threshold: float = setting(
        -1.0,
        "Lowest score of a detection; negative takes the model's own threshold of each class.",
        low=-1.0,
        high=1.0,
    )
    operating_point: str = setting(
        BALANCED,
        "Which thresholds of the model hold: balanced, or few_false_alarms.",
        choices=OPERATING_POINTS,
    )
    class_score_thresholds: tuple[str, ...] = setting(
        (), "Thresholds for single classes, each 'name=value'; they win over score_threshold."
    )
    iou_threshold: float = setting(
        -1.0,
        "Overlap (IoU) above which the weaker of two boxes of a class is dropped; from 0.4 to it scores "
        "fade; negative takes the model's own, 1 keeps all. Where a lower one drops more, the result "
        "says that objects may be missing.",
        low=-1.0,
        high=1.0,
    )
    max_detections: int = setting(100, "Most detections in an image.", low=1, high=1000)
    max_per_class: int = setting(50, "Most detections of one class in an image.", low=1, high=1000)
    max_candidates: int = setting(
        1000, "Most boxes that enter non-maximum suppression.", low=1, high=100000
    )
    mask_threshold: float = setting(
        0.0,
        "Confidence (.5 .. 1) below which a pixel is unlabelled (255); up to .5 none is.",
        low=0.0,
        high=1.0,
    )
    mask_size: str = setting(
        "source",
        "Size of the mask: of the source image, or of the image inside the network input.",
        choices=("source", "network"),
    )
    suppress_absent: tuple[str, ...] = setting(
        (),
        "Classes whose detections are dropped where the mask shows none of their pixels; never 'person' on a robot.",
    )
    anonymise: bool = setting(
        False,
        "Pixelate people in every picture that is written or published. Detections and masks stay.",
        read_only=True,
    )
    anonymise_score: float = setting(
        0.08,
        "With `anonymise`: lowest score of a box that is pixelated; never above that of a detection.",
        low=0.001,
        high=1.0,
        read_only=True,
    )
    anonymise_classes: tuple[str, ...] = setting(
        (),
        "With `anonymise`: the model's classes that are people. Empty: those with a usual name.",
        read_only=True,
    )
    num_threads: int = setting(
        2, "CPU threads of the network.", low=1, high=MOST_THREADS, read_only=True
    )
    backend: str = setting(
        LITERT,
        "Engine of the network. auto: the fastest that is installed and in the model folder.",
        choices=BACKENDS,
        read_only=True,
    )
    device: str = setting(
        CPU, "Device of backend openvino: CPU, GPU, NPU, or as OpenVINO names it.", read_only=True
    )

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def engine(self) -> EngineConfig:
        """How to open the network."""
        return EngineConfig(self.num_threads, self.backend, self.device)

    def thresholds(self, spec: ModelSpec) -> np.ndarray:
        """The score threshold of each foreground class of a model, `(K,)` float64 inside 0..1.

        ConfigError where the model lacks the operating point or a class.
        """
        names = spec.labels.foreground
        if self.score_threshold >= 0:
            values = dict.fromkeys(names, self.score_threshold)
        else:
            own = spec.thresholds_at(self.operating_point)
            balanced = {name: spec.thresholds.get(name, DEFAULT_THRESHOLD) for name in names}
            # Fewer false alarms never come from a lower threshold.
            values = {name: max(own.get(name, value), value) for name, value in balanced.items()}
        values.update(self._single_thresholds(names))
        return np.clip([values[name] for name in names], _LOWEST_THRESHOLD, 1 - _LOWEST_THRESHOLD)

    def suppressed(self, spec: ModelSpec) -> list[int]:
        """The ids of the classes in `suppress_absent`.

        ConfigError where the model has no mask of one.
        """
        names = spec.labels.foreground
        for name in self.suppress_absent:
            if name not in names:
                raise ConfigError(
                    f"suppress_absent: expected a class of {', '.join(names)}, got {name!r}."
                )
            if name not in spec.mask_classes:
                raise ConfigError(
                    f"suppress_absent: expected a class with a mask, got {name!r}; the model was not "
                    "trained to mask it, so that its detections would always be dropped."
                )
        return [spec.labels.id_of(name) for name in self.suppress_absent]

    def people(self, spec: ModelSpec) -> tuple[str, ...]:
        """The classes that are pixelated; none without `anonymise`.

        ConfigError where the model can't find people.
        """
        return people_classes(spec, self.anonymise_classes) if self.anonymise else ()

    def _single_thresholds(self, names: tuple[str, ...]) -> dict[str, float]:
        found = {}
        for entry in self.class_score_thresholds:
            name, _, text = entry.rpartition("=")
            try:
                value = float(text)
            except ValueError:
                value = float("nan")
            if name not in names or not 0 <= value <= 1:
                raise ConfigError(
                    f"class_score_thresholds: expected 'name=value' with a class of {', '.join(names)} "
                    f"and a value in 0 .. 1, got {entry!r}."
                )
            found[name] = value
        return found


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
        config: thresholds and limits; may be replaced between images (`config` property).

    Raises:
        ArtefactError: the model can't be opened.
        ConfigError: the configuration does not fit the model's classes.
    """

    def __init__(self, model: Model, config: PerceiverConfig = PerceiverConfig()) -> None:
        self.spec = model.spec
        self._known = KnownClasses(model.spec)
        self._candidates = CANDIDATES[model.spec.scores]
        self._variances = Variances(*model.spec.variances)
        self.config = config
        # Opened before the default boxes are laid out: opening finds out whether their number is
        # the network's.
        self._backend = model.open(config.engine)
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
        found = self._detect(known, raw, self._iou_threshold)
        mask_hw = letterbox.source_hw if self._config.mask_size == "source" else letterbox.inner_hw
        segmentation = self._segment(raw, letterbox, mask_hw)
        detections = self._finish(found, letterbox, segmentation)
        truncated = self._is_truncated(len(candidates[0]), found) or self._is_thinned(
            known, raw, found
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

    def _detect(self, candidates: Candidates, raw: RawOutputs, iou_threshold: float) -> Detections:
        return detect(
            candidates,
            raw.box_offsets,
            self._default_cxcywh,
            self._variances,
            iou_threshold,
            self._config.max_per_class,
            self._config.max_detections,
            thresholds=self._thresholds,
        )

    def _is_thinned(self, candidates: Candidates, raw: RawOutputs, found: Detections) -> bool:
        """Whether the user's overlap drops boxes that the model's own keeps: an object may be missing."""
        if self._iou_threshold >= self.spec.iou_threshold:
            return False
        usual = self._detect(candidates, raw, self.spec.iou_threshold)
        return len(usual) > len(found)

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
