"""The model artefact: a folder that holds a network and all that is needed to read its outputs.

`model.tflite` has the raw heads, `model.yaml` describes them; `openvino/` may hold the same
network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from mtv_perception.config import from_mapping, setting, to_plain
from mtv_perception.errors import ArtefactError, ConfigError
from mtv_perception.geometry.codec import Variances
from mtv_perception.geometry.default_boxes import DefaultBoxMap, DefaultBoxSpec
from mtv_perception.labels import LabelSet, labels_of
from mtv_perception.runtime.backends import EngineConfig, open_backend
from mtv_perception.runtime.backends.config import OPENVINO_FILES, Network
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.outputs import Backend
from mtv_perception.runtime.self_test import Golden
from mtv_perception.runtime.signature import SIGNATURE_FILE, check_signature
from mtv_perception.yaml_text import format_yaml, parse_yaml

FORMAT_VERSION = 1
SPEC_FILE = "model.yaml"
MODEL_FILE = "model.tflite"
GOLDEN_FILE = "self_test.npz"
BALANCED, FEW_FALSE_ALARMS = "balanced", "few_false_alarms"
OPERATING_POINTS = BALANCED, FEW_FALSE_ALARMS
_LARGEST_MODEL_BYTES = 512 * 1024 * 1024
_LARGEST_SPEC_BYTES = 1024 * 1024
_LARGEST_GOLDEN_BYTES = 16 * 1024 * 1024


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


@dataclass(frozen=True)
class Artefact:
    """A verified artefact in memory; later changes of the files do not touch it.

    Attributes:
        folder: where it was read.
        spec: its description.
        content: the verified bytes of the LiteRT model.
        files: the verified bytes of other engines' files, by path in the folder.
        golden: a picture and the outputs that belong to it, for the self-test; artefacts of
            earlier versions have none.
    """

    folder: Path
    spec: ModelSpec
    content: bytes = field(repr=False)
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    golden: Golden | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 over everything that was read."""
        parts = hashlib.sha256(_spec_text(self.spec)).digest() + bytes.fromhex(self.spec.sha256)
        stored = self.golden.digest if self.golden else b""
        return hashlib.sha256(parts + stored).hexdigest()

    @property
    def labels(self) -> LabelSet:
        """The model's classes."""
        return self.spec.labels

    @property
    def size_hw(self) -> tuple[int, int]:
        """Network input, pixels."""
        return self.spec.size_hw

    @property
    def model_id(self) -> str:
        """Short text that identifies the model."""
        return self.spec.model_id

    def open(self, config: EngineConfig) -> Backend:
        """A runnable network.

        Raises:
            ArtefactError: a file is no model, or of other shapes than the description says.
            ConfigError: an engine or device that is not there.
        """
        expected = {
            "class_logits": (
                self.spec.box_spec.count,
                len(self.labels) - (self.spec.scores == "sigmoid"),
            ),
            "box_offsets": (self.spec.box_spec.count, 4),
            "segmentation_logits": (*self.spec.segmentation_hw, len(self.labels)),
        }
        network = Network(
            {MODEL_FILE: self.content, **self.files},
            {MODEL_FILE: self.spec.sha256, **self.spec.files},
            self.size_hw,
            self.spec.outputs,
            expected,
        )
        return open_backend(network, config)


def load_artefact(folder: Path | str, public_key: Path | None = None) -> Artefact:
    """Read and verify an artefact folder.

    Args:
        folder: of the model, or the name of one that comes with the package, such as `warehouse`.
        public_key: file of the ed25519 key that the description's signature must fit; None asks for
            none.

    Raises:
        ArtefactError: something is missing, of another format version, contradictory, not signed,
            or does not match its hash.
    """
    folder = Path(folder)
    if not folder.exists() and len(folder.parts) == 1:
        folder = find_model(str(folder))
    if not (folder / SPEC_FILE).is_file():
        raise ArtefactError(
            f"{folder}: expected a model folder with {SPEC_FILE} and {MODEL_FILE}, found no {SPEC_FILE}."
        )
    description = _read_file(folder / SPEC_FILE, _LARGEST_SPEC_BYTES)
    if public_key is not None:
        check_signature(description, folder / SIGNATURE_FILE, public_key)
    spec = _parse_spec(description, folder / SPEC_FILE)
    content = _read_verified(folder / MODEL_FILE, spec.sha256)
    # A robot without OpenVINO may be given the other files alone.
    present = all((folder / name).is_file() for name in spec.files)
    files = {
        name: _read_verified(folder / name, digest)
        for name, digest in spec.files.items()
        if present
    }
    return Artefact(folder, spec, content, files, _read_golden(folder / GOLDEN_FILE))


def _parse_spec(description: bytes, path: Path) -> ModelSpec:
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


def _read_golden(path: Path) -> Golden | None:
    if not path.exists():
        return None
    content = _read_file(path, _LARGEST_GOLDEN_BYTES)
    try:
        return Golden.from_bytes(content)
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from error


def _read_verified(path: Path, expected: str) -> bytes:
    content = _read_file(path, _LARGEST_MODEL_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise ArtefactError(
            f"{path}: expected SHA-256 {expected or 'in ' + SPEC_FILE}, got {digest}; "
            "the file is corrupt or belongs to another description."
        )
    return content


def _read_file(path: Path, largest: int) -> bytes:
    """The whole file through one descriptor: whoever replaces it meanwhile changes nothing."""
    try:
        # Without waiting for the other end of a pipe of that name.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > largest:
                raise ArtefactError(
                    f"{path}: expected a file of at most {largest} bytes, got {found.st_size}."
                )
            return file.read(found.st_size)
    except OSError as error:
        raise ArtefactError(f"{path}: can't be read: {error}") from error


def write_artefact(
    folder: Path,
    spec: ModelSpec,
    content: bytes,
    files: Mapping[str, bytes] | None = None,
    golden: Golden | None = None,
) -> Artefact:
    """Write an artefact whose description carries the hashes of what it holds.

    A new folder appears whole or not at all. In one that exists each file is replaced at once, the
    models first: whoever reads or loses power in between finds files that do not belong together,
    which their hashes tell.

    Args:
        folder: to write.
        spec: its description.
        content: the LiteRT model.
        files: the same network for other engines, by path in the folder.
        golden: the network's self-test; none is kept of the model before.
    """
    files = dict(files or {})
    spec = replace(
        spec,
        sha256=hashlib.sha256(content).hexdigest(),
        files={name: hashlib.sha256(part).hexdigest() for name, part in files.items()},
    )
    stored = {GOLDEN_FILE: golden.to_bytes()} if golden else {}
    written = {MODEL_FILE: content, **files, **stored, SPEC_FILE: _spec_text(spec)}
    if folder.exists():
        if not golden:
            (folder / GOLDEN_FILE).unlink(missing_ok=True)
        _replace_files(folder, written)
        return Artefact(folder, spec, content, files, golden)
    part = folder.with_name(f".{folder.name}.{uuid4().hex}.part")
    try:
        part.mkdir(parents=True)
        _replace_files(part, written)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _sync_folder(folder.parent)
    return Artefact(folder, spec, content, files, golden)


def write_thresholds(
    folder: Path,
    thresholds: dict[str, float],
    iou_threshold: float | None = None,
    point: str = BALANCED,
) -> None:
    """Put tuned score thresholds (by class name) into an artefact's description.

    Args:
        folder: of the artefact.
        thresholds: those of classes that are not named stay.
        iou_threshold: for non-maximum suppression; None leaves it.
        point: the operating point that they are for.
    """
    spec = load_artefact(folder).spec
    if point == BALANCED:
        spec = replace(spec, thresholds={**spec.thresholds, **thresholds})
    else:
        merged = {**spec.operating_points.get(point, {}), **thresholds}
        spec = replace(spec, operating_points={**spec.operating_points, point: merged})
    if iou_threshold is not None:
        spec = replace(spec, iou_threshold=iou_threshold)
    _replace_files(folder, {SPEC_FILE: _spec_text(spec)})


def _spec_text(spec: ModelSpec) -> bytes:
    text = format_yaml(to_plain(spec), flow=None, width=110)
    return text.encode()


def _replace_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replace files one after the other, each at once, after all of them have reached the disk."""
    parts = {
        name: (folder / name).with_name(f".{Path(name).name}.{uuid4().hex}.part") for name in files
    }
    try:
        for part in parts.values():
            part.parent.mkdir(exist_ok=True)
        for name, content in files.items():
            with parts[name].open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name, part in parts.items():
            part.replace(folder / name)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    for touched in {part.parent for part in parts.values()} | {folder}:
        _sync_folder(touched)


def _sync_folder(folder: Path) -> None:
    """Let the names in a folder reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
