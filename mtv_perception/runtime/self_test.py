"""Whether a network computes what it computed at its export.

A stored picture and the outputs that belong to it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mtv_perception.errors import ArtefactError
from mtv_perception.runtime.outputs import Backend, RawOutputs, Tensor

_NAMES = ("class_logits", "box_offsets", "segmentation_logits")
_LARGEST_BYTES = 64 * 1024 * 1024
# Values kept of each output, evenly spaced.
_KEPT_VALUES = 4096
# Root mean square of the difference over the spread of the stored values. Other processors and
# number formats stay below 0.1; a network with other weights, or reading another class order, is
# near 1.
_LARGEST_DIFFERENCE = 0.25


class Runnable(Protocol):
    """Something that runs its network on a picture of the network's own size."""

    def raw_outputs(self, input_rgb: np.ndarray) -> RawOutputs:
        """The raw outputs for `(H, W, 3)` uint8 RGB."""


@dataclass(frozen=True)
class Golden:
    """A picture and what the network made of it when it was exported.

    Attributes:
        input_rgb: `(H, W, 3)` uint8 of the network's size.
        outputs: some values of each raw output, float32.
    """

    input_rgb: np.ndarray
    outputs: dict[str, np.ndarray]

    @property
    def digest(self) -> bytes:
        """SHA-256 over the picture and the outputs."""
        parts = (self.input_rgb, *(self.outputs[name] for name in _NAMES))
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).digest()

    def to_bytes(self) -> bytes:
        """The content of the file beside the model."""
        file = io.BytesIO()
        np.savez_compressed(file, input_rgb=self.input_rgb, **self.outputs)  # type: ignore[arg-type]
        return file.getvalue()

    @staticmethod
    def from_bytes(content: bytes) -> Golden:
        """Read such a file; ArtefactError when it is none, or claims to be larger than any."""
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                size = sum(item.file_size for item in archive.infolist())
            if size > _LARGEST_BYTES:
                raise ValueError(
                    f"it unpacks to {size} bytes, at most {_LARGEST_BYTES} are expected"
                )
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                outputs = {name: arrays[name].astype(np.float32) for name in _NAMES}
                return Golden(np.ascontiguousarray(arrays["input_rgb"], np.uint8), outputs)
        except Exception as error:  # zipfile, zlib and NumPy's reader have a dozen kinds.
            # The other lines of NumPy's texts advise to trust the file.
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise ArtefactError(
                f"expected a stored self-test of the network, can't read it: {reason}"
            ) from error


def busy_picture(size_hw: tuple[int, int]) -> np.ndarray:
    """A picture `(H, W, 3)` uint8 that excites a network at every scale.

    Gradients, rectangles, stripes, grain.
    """
    height, width = size_hw
    random = np.random.default_rng(20)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    picture = np.stack([rows / height, columns / width, 1 - rows / height], -1) * 160 + 40
    for _ in range(40):
        side = random.integers(8, max(9, min(size_hw) // 2), 2)
        y, x = random.integers(0, height), random.integers(0, width)
        picture[y : y + side[0], x : x + side[1]] = random.integers(0, 256, 3)
    grain = random.normal(0, 12, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)
    picture += grain[:height, :width] + 12 * np.sign(np.sin(columns / 3))[..., None]
    # Few different values, so that the stored picture is small.
    return (np.clip(picture, 0, 255) // 8 * 8).astype(np.uint8)


def _some_values(tensor: Tensor) -> np.ndarray:
    """Evenly spaced real values of an output, float32."""
    values = tensor.values.reshape(-1)
    return tensor.real(values[:: max(1, values.size // _KEPT_VALUES)]).copy()


def record(backend: Backend, size_hw: tuple[int, int]) -> Golden:
    """Run a network that is known to be right on the test picture."""
    picture = busy_picture(size_hw)
    backend.input_view()[:] = picture
    raw = backend.run()
    return Golden(picture, {name: _some_values(getattr(raw, name)) for name in _NAMES})


def check_outputs(network: Runnable, size_hw: tuple[int, int], golden: Golden | None) -> None:
    """Compare a loaded network with its stored outputs.

    Without stored outputs, they must be finite and depend on the picture.

    Raises:
        ArtefactError: they differ.
    """
    if golden is None:
        _check_sane(network, size_hw)
        return
    if golden.input_rgb.shape != (*size_hw, 3):
        raise ArtefactError(
            f"self-test failed: expected a stored picture of {(*size_hw, 3)}, got {golden.input_rgb.shape}."
        )
    found = _sample(network, golden.input_rgb)
    for name, expected in golden.outputs.items():
        difference = _difference(found[name], expected)
        if not difference <= _LARGEST_DIFFERENCE:
            raise ArtefactError(
                f"self-test failed: {name} differs by {difference:.2g} from the outputs stored at the export, "
                f"expected at most {_LARGEST_DIFFERENCE}."
            )


def _sample(network: Runnable, picture: np.ndarray) -> dict[str, np.ndarray]:
    """Values of a run; nothing of the network's own memory is held afterwards."""
    raw = network.raw_outputs(picture)
    return {name: _some_values(getattr(raw, name)) for name in _NAMES}


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square of the difference in units of the stored values' spread.

    Infinite for other shapes.
    """
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    error = np.sqrt(np.mean(np.square(found.astype(np.float64) - expected)))
    return float(error / max(float(expected.std()), 1e-6))


def _check_sane(network: Runnable, size_hw: tuple[int, int]) -> None:
    pictures = (np.full((*size_hw, 3), 127, np.uint8), busy_picture(size_hw))
    grey, busy = (_sample(network, picture) for picture in pictures)
    for name in _NAMES:
        if not (np.isfinite(grey[name]).all() and np.isfinite(busy[name]).all()):
            raise ArtefactError(f"self-test failed: expected finite values in {name}.")
    if all(np.array_equal(grey[name], busy[name]) for name in _NAMES):
        raise ArtefactError("self-test failed: the outputs do not depend on the picture.")
