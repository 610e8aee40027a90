"""Other networks on the same machine, timed in turns with ours.

An ONNX file, the reference system.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.cli.bench.turns import clock
from mtv_perception.errors import WeightsError

# What ONNX Runtime and OpenVINO call float32 and bytes: its array type, and the factor on 0..255.
_INPUTS: dict[str, tuple[type, float]] = {
    "tensor(float)": (np.float32, 1 / 255),
    "f32": (np.float32, 1 / 255),
    "tensor(uint8)": (np.uint8, 1.0),
    "u8": (np.uint8, 1.0),
}


@dataclass(frozen=True)
class Peer:
    """Something to be measured beside our model.

    Attributes:
        name: what it is.
        stage: which of our figures stands beside its own, "network_ms" or "total_ms".
        run: takes an `(H, W, 3)` uint8 RGB image, returns milliseconds.
    """

    name: str
    stage: str
    run: Callable[[np.ndarray], float]


def open_onnx(file: Path, images: Sequence[np.ndarray]) -> Callable[[int], list[Peer]]:
    """An ONNX model at its best on the CPU: in ONNX Runtime, in OpenVINO, and there in int8.

    OpenVINO is left out where it is not installed, int8 where NNCF is not. Only the network is
    timed: not the scaling of the image, not the boxes, not the masks.

    Args:
        file: one input `(1, 3, H, W)`, float32 or uint8.
        images: `(H, W, 3)` uint8 RGB, which give the ranges of int8.

    Returns:
        Opens the peers on a number of CPU threads; quantisation is done once.

    Raises:
        WeightsError: ONNX Runtime is not installed, or the file is no such model.
    """
    if not file.is_file():
        raise WeightsError(f"{file}: expected an ONNX model, found no file.")
    _engine("onnxruntime")
    graphs = {}
    if importlib.util.find_spec("openvino"):
        graphs["openvino"] = _read(_engine("openvino"), file)
        if importlib.util.find_spec("nncf"):
            graphs["openvino int8"] = _quantised(file, _read(_engine("openvino"), file), images)

    def open_peers(threads: int) -> list[Peer]:
        run = _onnxruntime(_engine("onnxruntime"), file, threads)
        return [Peer("onnxruntime", "network_ms", run)] + [
            Peer(name, "network_ms", _openvino(_engine("openvino"), file, graph, threads))
            for name, graph in graphs.items()
        ]

    return open_peers


def _read(runtime: Any, file: Path) -> Any:
    try:
        return runtime.Core().read_model(str(file))
    except Exception as error:  # Its errors share no base but this one.
        raise WeightsError(f"{file}: OpenVINO can't read it: {error}") from error


def _quantised(file: Path, graph: Any, images: Sequence[np.ndarray]) -> Any:
    """The graph in int8 by NNCF, quantised as our own networks are."""
    nncf = _engine("nncf")
    logging.getLogger("nncf").setLevel(logging.ERROR)
    make = _input_maker(file, _inputs(graph))
    return nncf.quantize(
        graph,
        nncf.Dataset(list(images), make),
        preset=nncf.QuantizationPreset.MIXED,
        target_device=nncf.TargetDevice.CPU,
        subset_size=len(images),
    )


def _inputs(model: Any) -> list[tuple[list[int], str]]:
    """Shape and type of each input of an OpenVINO model; sizes that are not fixed are -1."""
    return [
        (
            [side.get_length() if side.is_static else -1 for side in item.partial_shape],
            item.element_type.get_type_name(),
        )
        for item in model.inputs
    ]


def _engine(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise WeightsError(
            f"Expected package {name!r} to measure ONNX models (pip install {name}): {error}"
        ) from error


def _onnxruntime(runtime: Any, file: Path, threads: int) -> Callable[[np.ndarray], float]:
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # Its errors share no base but this one.
        raise WeightsError(f"{file}: ONNX Runtime can't read it: {error}") from error
    given = session.get_inputs()
    make = _input_maker(file, [(item.shape, item.type) for item in given])
    return lambda image: clock(session.run, None, {given[0].name: make(image)})


def _openvino(runtime: Any, file: Path, graph: Any, threads: int) -> Callable[[np.ndarray], float]:
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": "1",
        # Otherwise it computes float32 models in bfloat16 where the processor can.
        "INFERENCE_PRECISION_HINT": "f32",
        # As ours.
        "ENABLE_CPU_PINNING": False,
    }
    make = _input_maker(file, _inputs(graph))
    try:
        model = runtime.Core().compile_model(graph, "CPU", settings)
    except Exception as error:  # As above.
        raise WeightsError(f"{file}: OpenVINO can't run it: {error}") from error
    request = model.create_infer_request()
    return lambda image: clock(request.infer, {0: make(image)})


def _input_maker(
    file: Path, given: Sequence[tuple[Sequence[Any], str]]
) -> Callable[[np.ndarray], np.ndarray]:
    """Turns an image into what the model's only input wants."""
    (shape, kind), *others = given
    fixed = (
        len(shape) == 4
        and list(shape[:2]) == [1, 3]
        and all(isinstance(side, int) and side > 0 for side in shape)
    )
    if others or not fixed or kind not in _INPUTS:
        raise WeightsError(
            f"{file}: expected one input (1, 3, H, W) of fixed size, float32 or uint8, got {given!r}."
        )
    dtype, scale = _INPUTS[kind]

    def make(image: np.ndarray) -> np.ndarray:
        pixels = cv2.resize(image, (shape[3], shape[2]), interpolation=cv2.INTER_LINEAR)
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
        return planes if dtype is np.uint8 else planes.astype(dtype) * dtype(scale)

    return make


def open_reference() -> Peer:
    """The reference system, `network.reference_system`; on all cores, as TensorFlow does."""
    try:
        from mtv_perception.network.reference_system import ReferenceSystem
    except ImportError as error:
        raise WeightsError(
            f"Expected what training needs (pip install -e '.[train]') to run the reference: {error}"
        ) from error
    system = ReferenceSystem()
    return Peer("reference-keras", "total_ms", lambda image: clock(system, image))
