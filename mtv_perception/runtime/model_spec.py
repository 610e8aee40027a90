"""What `model.yaml` says about a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mtv_perception.config import from_mapping, setting, to_plain
from mtv_perception.errors import ArtefactError, ConfigError
from mtv_perception.geometry.codec import Variances
from mtv_perception.geometry.default_boxes import DefaultBoxMap, DefaultBoxSpec
from mtv_perception.labels import LabelSet, labels_of
from mtv_perception.runtime.backends.config import OPENVINO_FILES
from mtv_perception.yaml_text import format_yaml, parse_yaml

FORMAT_VERSION = 1
BALANCED, FEW_FALSE_ALARMS = "balanced", "few_false_alarms"
OPERATING_POINTS = BALANCED, FEW_FALSE_ALARMS


@dataclass(frozen=True)
class Trained:
    """Which classes a model was trained for; None means all.

    Attributes:
        boxes: names of classes.
        masks: names of classes.
    """

    boxes: tuple[str, ...] | None = None
    masks: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ModelSpec:
    """What `model.yaml` holds.

    Attributes:
        outputs: position of each raw output among the model's output tensors.
        thresholds: score threshold by class name, of the operating point `balanced`.
        operating_points: the same for other operating points, by their names. A class that one
            lacks keeps its balanced threshold.
        sha256: of the LiteRT model.
        files: SHA-256 of the files of other engines, by path in the folder.
    """

    name: str
    version: int = setting(1, "Rises with every retrained model.", low=0)
    format: int = FORMAT_VERSION
    classes: tuple[str, ...] = LabelSet().names
    size_hw: tuple[int, int] = setting((480, 640), "Network input, pixels.", low=32, high=8192)
    aligned_hw: tuple[int, int] | None = setting(
        None,
        "Network input, pixels, whose strided windows the weights know; null for `size_hw`.",
        low=32,
        high=8192,
    )
    default_boxes: tuple[DefaultBoxMap, ...] = ()
    variances: tuple[float, float, float, float] = Variances()
    segmentation_stride: int = setting(
        4, "Network pixels from one segmentation logit to the next.", low=1, high=64
    )
    scores: str = setting("sigmoid", "How logits become scores.", choices=("sigmoid", "softmax"))
    precision: str = setting("float32", "Number format.", choices=("float32", "float16", "int8"))
    outputs: dict[str, int] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    operating_points: dict[str, dict[str, float]] = field(default_factory=dict)
    iou_threshold: float = setting(
        0.5, "Overlap above which the weaker of two boxes of a class is dropped.", low=0, high=1
    )
    trained: Trained = Trained()
    sha256: str = ""
    files: dict[str, str] = field(default_factory=dict)
    training_data: str = ""
    licence: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels_of(self.classes)
        if any(side % self.segmentation_stride for side in self.size_hw):
            raise ValueError(
                f"Expected size_hw in multiples of segmentation_stride {self.segmentation_stride}, "
                f"got {self.size_hw!r}."
            )
        for name in (*(self.trained.boxes or ()), *(self.trained.masks or ())):
            if name not in self.classes[1:]:
                raise ValueError(
                    f"Expected names of {self.classes[1:]} in `trained`, got {name!r}."
                )
        self._check_thresholds()
        if self.files and set(self.files) != set(OPENVINO_FILES):
            raise ValueError(
                f"Expected the files {', '.join(OPENVINO_FILES)} or none, got {sorted(self.files)}."
            )

    def _check_thresholds(self) -> None:
        known = OPERATING_POINTS[1:]
        for name in self.operating_points:
            if name not in known:
                raise ValueError(f"Expected operating_points of {known}, got {name!r}.")
        for thresholds in (self.thresholds, *self.operating_points.values()):
            for name, value in thresholds.items():
                if name not in self.classes[1:] or not 0 < value < 1:
                    raise ValueError(
                        f"Expected a threshold in 0 .. 1 of a class of {self.classes[1:]}, "
                        f"got {name}: {value!r}."
                    )

    def thresholds_at(self, point: str) -> dict[str, float]:
        """Score thresholds by class name at an operating point.

        ConfigError where the model has no such point.
        """
        if point == BALANCED:
            return self.thresholds
        if point not in self.operating_points:
            have = ", ".join((BALANCED, *self.operating_points))
            raise ConfigError(
                f"operating_point: expected one that the model {self.model_id} has ({have}), "
                f"got {point!r}. `mtv tune --operating-point {point} --write` adds it."
            )
        return {**self.thresholds, **self.operating_points[point]}

    @property
    def labels(self) -> LabelSet:
        """The classes as a LabelSet."""
        return labels_of(self.classes)

    @property
    def box_classes(self) -> tuple[str, ...]:
        """Foreground classes that the model was trained to find as boxes."""
        return self._trained(self.trained.boxes)

    @property
    def mask_classes(self) -> tuple[str, ...]:
        """Foreground classes that the model was trained to mark in the mask."""
        return self._trained(self.trained.masks)

    def _trained(self, names: tuple[str, ...] | None) -> tuple[str, ...]:
        return tuple(name for name in self.classes[1:] if names is None or name in names)

    @property
    def box_spec(self) -> DefaultBoxSpec:
        """The default boxes the offsets refer to."""
        return DefaultBoxSpec(self.size_hw, self.default_boxes)

    @property
    def segmentation_hw(self) -> tuple[int, int]:
        """Rows and columns of the segmentation logits."""
        return self.size_hw[0] // self.segmentation_stride, self.size_hw[
            1
        ] // self.segmentation_stride

    @property
    def model_id(self) -> str:
        """Name, version and number format with the first digits of the hash.

        For status messages.
        """
        return f"{self.name}-v{self.version}-{self.precision}-{self.sha256[:8]}"


def parse_spec(description: bytes, path: Path) -> ModelSpec:
    """The content of a model.yaml; ArtefactError, naming `path`, where it is none."""
    try:
        values = parse_yaml(description)
        found = values.get("format") if isinstance(values, dict) else None
        if found != FORMAT_VERSION:
            raise ArtefactError(f"{path}: expected format {FORMAT_VERSION}, got {found!r}.")
        return from_mapping(ModelSpec, values)
    except ConfigError as error:
        raise ArtefactError(f"{path}: {error}") from error
    except ValueError as error:
        raise ArtefactError(f"{path}: can't be read as YAML: {error}") from error


def spec_text(spec: ModelSpec) -> bytes:
    """The content of a model.yaml that says this."""
    text = format_yaml(to_plain(spec), flow=None, width=110)
    return text.encode()
