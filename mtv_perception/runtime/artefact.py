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
from uuid import uuid4

from mtv_perception.errors import ArtefactError
from mtv_perception.labels import LabelSet
from mtv_perception.resources import LFS_POINTER, STREAM, is_lfs_pointer
from mtv_perception.runtime.backends import EngineConfig, open_backend
from mtv_perception.runtime.backends.config import Network
from mtv_perception.runtime.model_spec import (
    BALANCED,
    FEW_FALSE_ALARMS,
    FORMAT_VERSION,
    OPERATING_POINTS,
    ModelSpec,
    Trained,
    parse_spec,
    spec_text,
)
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.outputs import Backend
from mtv_perception.runtime.self_test import Golden
from mtv_perception.runtime.signature import SIGNATURE_FILE, check_signature

__all__ = [
    "BALANCED",
    "FEW_FALSE_ALARMS",
    "FORMAT_VERSION",
    "GOLDEN_FILE",
    "MODEL_FILE",
    "OPERATING_POINTS",
    "SPEC_FILE",
    "Artefact",
    "ModelSpec",
    "Trained",
    "load_artefact",
    "no_lower",
    "write_artefact",
    "write_thresholds",
]

SPEC_FILE = "model.yaml"
MODEL_FILE = "model.tflite"
GOLDEN_FILE = "self_test.npz"
_LARGEST_MODEL_BYTES = 512 * 1024 * 1024
_LARGEST_SPEC_BYTES = 1024 * 1024
_LARGEST_GOLDEN_BYTES = 16 * 1024 * 1024


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
        parts = hashlib.sha256(spec_text(self.spec)).digest() + bytes.fromhex(self.spec.sha256)
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
        try:
            return open_backend(network, config)
        except ArtefactError as error:
            raise ArtefactError(f"{self.folder}: {error}") from error


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
    spec = parse_spec(description, folder / SPEC_FILE)
    content = _read_verified(folder / MODEL_FILE, spec.sha256)
    # A robot without OpenVINO may be given the other files alone.
    present = all((folder / name).is_file() for name in spec.files)
    files = {
        name: _read_verified(folder / name, digest)
        for name, digest in spec.files.items()
        if present
    }
    return Artefact(folder, spec, content, files, _read_golden(folder / GOLDEN_FILE))


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
            if not stat.S_ISREG(found.st_mode):
                raise ArtefactError(f"{path}: expected a file of a model, got {STREAM}.")
            if found.st_size > largest:
                raise ArtefactError(
                    f"{path}: expected a file of at most {largest} bytes, got {found.st_size}."
                )
            content = file.read(found.st_size)
    except OSError as error:
        raise ArtefactError(
            f"{path}: expected a file of a model, could not read it: {error.strerror}"
        ) from error
    if is_lfs_pointer(content):
        raise ArtefactError(f"{path}: expected a file of a model, got {LFS_POINTER}.")
    return content


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
    parse_spec(spec_text(spec), folder / SPEC_FILE)  # Refuses a description that can't be read.
    spec = replace(
        spec,
        sha256=hashlib.sha256(content).hexdigest(),
        files={name: hashlib.sha256(part).hexdigest() for name, part in files.items()},
    )
    stored = {GOLDEN_FILE: golden.to_bytes()} if golden else {}
    written = {MODEL_FILE: content, **files, **stored, SPEC_FILE: spec_text(spec)}
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


def no_lower(thresholds: Mapping[str, float], balanced: Mapping[str, float]) -> dict[str, float]:
    """The thresholds of another operating point, each raised to at least the balanced one.

    A lower threshold never gives fewer false alarms.

    Args:
        thresholds: by class name.
        balanced: those of the balanced point, by class name.
    """
    return {name: max(value, balanced.get(name, 0.0)) for name, value in thresholds.items()}


def write_thresholds(
    folder: Path,
    thresholds: dict[str, float],
    iou_threshold: float | None = None,
    point: str = BALANCED,
) -> None:
    """Put tuned score thresholds (by class name) into an artefact's description.

    Thresholds of the balanced point also raise lower ones of the other points.

    Args:
        folder: of the artefact.
        thresholds: those of classes that are not named stay.
        iou_threshold: for non-maximum suppression; None leaves it.
        point: the operating point that they are for.
    """
    spec = load_artefact(folder).spec
    if point == BALANCED:
        points = {name: no_lower(own, thresholds) for name, own in spec.operating_points.items()}
        thresholds = {**spec.thresholds, **thresholds}
        spec = replace(spec, thresholds=thresholds, operating_points=points)
    else:
        merged = {**spec.operating_points.get(point, {}), **thresholds}
        spec = replace(spec, operating_points={**spec.operating_points, point: merged})
    if iou_threshold is not None:
        spec = replace(spec, iou_threshold=iou_threshold)
    _replace_files(folder, {SPEC_FILE: spec_text(spec)})


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
