"""OpenVINO: Intel processors first, other devices by name. Input and outputs are used in place."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.errors import ArtefactError, ConfigError
from mtv_perception.runtime.backends.config import (
    CPU,
    OPENVINO,
    OPENVINO_FILES,
    EngineConfig,
    Network,
)
from mtv_perception.runtime.backends.seals import sealed
from mtv_perception.runtime.outputs import RawOutputs, Tensor

_SEGMENTATION = "segmentation_logits"
_LEVEL = re.compile(r"(class_logits|box_offsets|segmentation_logits)(?:_(\d+))?")


def is_installed() -> bool:
    """Whether the package `openvino` is there, without importing it, which takes 0.25 s.

    A folder of that name is no such package: model folders have one.
    """
    found = importlib.util.find_spec("openvino")
    return found is not None and found.origin is not None


class OpenVinoBackend:
    """Runs an OpenVINO model with uint8 input `(1, H, W, 3)` and float32 raw outputs.

    The outputs are `segmentation_logits` `(1, C, h, w)`, and `class_logits` and `box_offsets`, each
    either one array `(1, N, K)` or one a level, `class_logits_0` `(1, h0, w0, n * K)` and so on.
    The levels are written one behind the other into one array, so nothing has to join them.

    Args:
        network: with the two files of OPENVINO_FILES.
        config: threads and device.
        cache: folder where OpenVINO keeps what it compiled; None for none.

    Raises:
        ArtefactError: no OpenVINO model, or other tensors than expected.
        ConfigError: OpenVINO is not installed, or has no such device.
    """

    def __init__(self, network: Network, config: EngineConfig, cache: Path | None = None) -> None:
        self.engine = OPENVINO if config.device == CPU else f"{OPENVINO} on {config.device}"
        compiled = _compiled(network, config, cache)
        (given,) = compiled.inputs
        wanted = (1, *network.size_hw, 3)
        if tuple(given.shape) != wanted or given.element_type.get_type_name() != "u8":
            raise ArtefactError(
                f"{OPENVINO_FILES[0]}: expected an input {wanted} uint8, got {tuple(given.shape)} "
                f"{given.element_type.get_type_name()}. Export or download the model again."
            )
        self._request = compiled.create_infer_request()
        self._input: np.ndarray = self._request.get_input_tensor(0).data[0]
        self._arrays = {
            name: np.zeros(_planes(name, shape), np.float32)
            for name, shape in network.expected.items()
        }
        self._share_outputs(compiled)
        tensors = {name: Tensor(array) for name, array in self._arrays.items()}
        tensors[_SEGMENTATION] = Tensor(self._arrays[_SEGMENTATION].transpose(1, 2, 0))
        self._raw = RawOutputs(**tensors)

    def input_view(self) -> np.ndarray:
        """The engine's own input memory, `(H, W, 3)` uint8 RGB."""
        return self._input

    def run(self) -> RawOutputs:
        """Run the network on the filled input; the outputs are the same arrays each time."""
        self._request.infer()
        return self._raw

    def _share_outputs(self, compiled: Any) -> None:
        """Let the engine write each output into its place in our arrays."""
        import openvino

        filled = dict.fromkeys(self._arrays, 0)
        levels = [
            (_parse(output.get_names()), index) for index, output in enumerate(compiled.outputs)
        ]
        for (name, _), index in sorted(levels):
            shape = tuple(compiled.outputs[index].shape)
            flat = (
                self._arrays[name].reshape(-1) if name in self._arrays else np.empty(0, np.float32)
            )
            count = int(np.prod(shape))
            part = flat[filled.get(name, 0) : filled.get(name, 0) + count]
            if part.size != count:
                raise _unfit(self._arrays, compiled)
            tensor = openvino.Tensor(part.reshape(shape), shared_memory=True)
            self._request.set_output_tensor(index, tensor)
            filled[name] += count
        if any(count != self._arrays[name].size for name, count in filled.items()):
            raise _unfit(self._arrays, compiled)


def _planes(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The engine's layout of an output: the mask's logits class by class."""
    return (shape[2], *shape[:2]) if name == _SEGMENTATION else shape


def _parse(names: set[str]) -> tuple[str, int]:
    """Raw output and level that one of an output's names tells; "" for none of ours."""
    for name in names:
        found = _LEVEL.fullmatch(name)
        if found:
            return found[1], int(found[2] or 0)
    return "", 0


def _unfit(arrays: Mapping[str, np.ndarray], compiled: Any) -> ArtefactError:
    wanted = {name: array.shape for name, array in arrays.items()}
    found = {min(item.get_names(), default="?"): tuple(item.shape) for item in compiled.outputs}
    return ArtefactError(
        f"{OPENVINO_FILES[0]}: expected raw outputs {wanted} or their levels, got {found}."
    )


def _compiled(network: Network, config: EngineConfig, cache: Path | None) -> Any:
    if not is_installed():
        raise ConfigError(
            "backend openvino: expected the package openvino, found none; "
            "pip install 'mtv_perception[openvino]' (built with colcon: install "
            "requirements/robot-openvino.txt, see docs/how-to/engines.md), or set backend to litert."
        )
    try:
        import openvino
    except ImportError as error:
        raise ConfigError(
            f"backend openvino: expected the package openvino, it can't be imported: {error}; "
            "install it again (docs/how-to/engines.md), or set backend to litert."
        ) from error
    core = openvino.Core()
    _check_device(config.device, core.available_devices)
    xml, weights = (network.files[name] for name in OPENVINO_FILES)
    try:
        model = core.read_model(xml, openvino.Tensor(np.frombuffer(weights, np.uint8)))
        with sealed(cache) as folder:
            return core.compile_model(model, config.device, _settings(config, folder))
    except (RuntimeError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()
        raise ArtefactError(
            f"{OPENVINO_FILES[0]}: OpenVINO can't run it on {config.device}: "
            f"{reason[-1] if reason else type(error).__name__}; "
            f"set device to {CPU} or backend to litert, or export or download the model again."
        ) from error


def _check_device(device: str, available: list[str]) -> None:
    """Raise ConfigError where OpenVINO has no such device; "GPU" is also any "GPU.0"."""
    if not any(name == device or name.startswith(f"{device}.") for name in available):
        raise ConfigError(
            f"device: expected one of {', '.join(available)} (what OpenVINO finds here), "
            f"got {device!r}."
        )


def _settings(config: EngineConfig, cache: Path | None) -> dict[str, Any]:
    settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"}
    if cache is not None:
        settings["CACHE_DIR"] = str(cache)
    if config.device == CPU:
        settings |= {
            "INFERENCE_NUM_THREADS": config.num_threads,
            # A robot's other programs need the cores too: pinned threads wait for them.
            "ENABLE_CPU_PINNING": False,
            # Otherwise results differ between processors with and without bfloat16.
            "INFERENCE_PRECISION_HINT": "f32",
        }
    return settings
