"""What a user may choose about results, and how results under it are to be read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtv_perception.config import check_fields, setting
from mtv_perception.errors import ConfigError
from mtv_perception.runtime.artefact import BALANCED, OPERATING_POINTS, ModelSpec
from mtv_perception.runtime.backends.config import BACKENDS, CPU, LITERT, EngineConfig
from mtv_perception.runtime.people import people_classes

DEFAULT_THRESHOLD = 0.3
MOST_THREADS = 64  # A larger number is taken for a typing error.
_LOWEST_THRESHOLD = 1e-4
# No detection reaches more: the threshold of a class that is never detected.
_NEVER = 1.0


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
        found: dict[str, float] = {}
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
            if name in found:
                raise ConfigError(
                    f"class_score_thresholds: expected one threshold for {name}, got {found[name]:g} "
                    f"and {value:g}."
                )
            found[name] = value
        return found


@dataclass(frozen=True)
class Reading:
    """Fields of PerceptionStatus of the same names; see there.

    Attributes:
        model_id: short text that identifies the model.
        model_hash: SHA-256 of the model file.
        classes: names by id, the background first.
        score_thresholds: in force, in the order of `classes`.
        model_thresholds: the model's own, in the order of `classes`.
        box_classes: trained for boxes.
        mask_classes: trained for masks.
        suppressed_classes: dropped where the mask shows none.
    """

    model_id: str
    model_hash: str
    classes: tuple[str, ...]
    score_thresholds: tuple[float, ...]
    model_thresholds: tuple[float, ...]
    box_classes: tuple[str, ...]
    mask_classes: tuple[str, ...]
    suppressed_classes: tuple[str, ...]


def reading_of(spec: ModelSpec, config: PerceiverConfig) -> Reading:
    """How results of a model are to be read.

    ConfigError when the settings do not fit its classes.
    """

    def thresholds(values: PerceiverConfig) -> tuple[float, ...]:
        by_name = dict(zip(spec.labels.foreground, values.thresholds(spec).tolist(), strict=True))
        return tuple(
            by_name[name] if name in spec.box_classes else _NEVER for name in spec.labels.names
        )

    return Reading(
        spec.model_id,
        spec.sha256,
        spec.labels.names,
        thresholds(config),
        thresholds(PerceiverConfig()),
        spec.box_classes,
        spec.mask_classes,
        config.suppress_absent,
    )
