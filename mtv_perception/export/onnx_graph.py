"""A network as an ONNX graph: NCHW, explicit padding, batch norms folded, raw outputs by name.

The graph is written layer by layer, so that it holds nothing but what the network computes:
convolutions, clips, additions, concatenations and resizing. TensorRT, ONNX Runtime and OpenVINO
read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mtv_perception.errors import WeightsError
from mtv_perception.network.layers import AlignedDepthwiseConv2D
from mtv_perception.network.multitask import MultitaskNetwork
from mtv_perception.training.keras_model import OUTPUTS

OPSET = 17
INPUT = "images"
# The oldest file version that holds opset 17, so that old readers take it.
_IR_VERSION = 8


@dataclass
class _Graph:
    """ONNX nodes under construction.

    Attributes:
        nodes: in order of computation.
        constants: initializers.
        names: ONNX value by id of the Keras tensor.
    """

    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Append a node of one output; returns the output's name."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def rename(self, old: str, new: str) -> None:
        """Give a value that no node reads, an output, another name."""
        (node,) = (node for node in self.nodes if node.output[0] == old)
        node.output[0] = new

    def constant(self, name: str, value: Any, dtype: type = np.float32) -> str:
        """Append an initializer; returns its name."""
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def inputs_of(self, layer: Any) -> list[str]:
        """Names of a layer's inputs."""
        return [self.names[id(tensor)] for tensor in layer._inbound_nodes[0].input_tensors]


def onnx_model(network: MultitaskNetwork, *, joined: bool = True) -> onnx.ModelProto:
    """The network as ONNX, opset 17, batch 1.

    The input is `images` `(1, 3, H, W)` float32, RGB in 0..255; scaling to -1..1 is part of the
    graph.

    Args:
        network: with its final weights.
        joined: outputs `class_logits` `(1, N, K)`, `box_offsets` `(1, N, 4)` and
            `segmentation_logits` `(1, C, h, w)`. Otherwise the first two stay apart as
            `class_logits_0` `(1, h0, w0, n * K)` and so on, one a level, finest first, which saves
            an engine a copy.

    Raises:
        WeightsError: a layer that this conversion does not know.
    """
    graph = _Graph()
    height, width = network.config.size_hw
    scaled = graph.add("Mul", [INPUT, graph.constant("scale", 1 / 127.5)], "scaled")
    graph.names[id(network.model.inputs[0])] = graph.add(
        "Sub", [scaled, graph.constant("one", 1.0)], "centred"
    )
    folded = _folded_norms(network.model)
    for layer in network.model.operations:
        _emit(graph, layer, folded)
    outputs = _outputs(graph, network, joined)
    _prune(graph, [item.name for item in outputs])
    image = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, (1, 3, height, width))
    content = helper.make_graph(graph.nodes, network.model.name, [image], outputs, graph.constants)
    model = helper.make_model(
        content, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="mtv"
    )
    model.ir_version = _IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def _outputs(graph: _Graph, network: MultitaskNetwork, joined: bool) -> list[Any]:
    """Name the raw outputs; returns their descriptions."""
    found = []
    for name in OUTPUTS:
        tensor = network.model.output[name]
        if len(tensor.shape) == 4:
            shape = (1, tensor.shape[3], *tensor.shape[1:3])
            graph.rename(graph.names[id(tensor)], name)
            found.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        elif joined:
            graph.rename(graph.names[id(tensor)], name)
            found.append(
                helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, *tensor.shape[1:]))
            )
        else:
            found += _level_outputs(graph, name, tensor)
    return found


def _level_outputs(graph: _Graph, name: str, tensor: Any) -> list[Any]:
    """The inputs of the concatenation that makes an output, before they are reshaped.

    As outputs.
    """
    found = []
    for index, part in enumerate(tensor._keras_history.operation._inbound_nodes[0].input_tensors):
        grid = part._keras_history.operation._inbound_nodes[0].input_tensors[0]
        level = f"{name}_{index}"
        graph.add("Transpose", [graph.names[id(grid)]], level, perm=(0, 2, 3, 1))
        found.append(helper.make_tensor_value_info(level, TensorProto.FLOAT, (1, *grid.shape[1:])))
    return found


def _prune(graph: _Graph, outputs: Sequence[str]) -> None:
    """Drop what no output needs."""
    needed, kept = set(outputs), []
    for node in reversed(graph.nodes):
        if node.output[0] in needed:
            needed.update(node.input)
            kept.append(node)
    graph.nodes = kept[::-1]
    graph.constants = [item for item in graph.constants if item.name in needed]


def _folded_norms(model: keras.Model) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Scale and offset by the name of the convolution that a batch norm alone follows."""
    folded = {}
    for layer in model.operations:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            readers = [node.operation for node in layer._outbound_nodes]
            if len(readers) == 1 and isinstance(readers[0], keras.layers.BatchNormalization):
                folded[layer.name] = _scale_and_offset(readers[0])
    return folded


def _scale_and_offset(norm: keras.layers.BatchNormalization) -> tuple[np.ndarray, np.ndarray]:
    gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return scale, beta - mean * scale


_Folded = dict[str, tuple[np.ndarray, np.ndarray]]


def _emit(graph: _Graph, layer: Any, folded: _Folded) -> None:
    """Append what a layer computes."""
    if isinstance(layer, keras.layers.InputLayer):
        return
    for kind, write in _WRITERS:
        if isinstance(layer, kind):
            output = layer._inbound_nodes[0].output_tensors[0]
            graph.names[id(output)] = write(graph, layer, folded)
            return
    raise WeightsError(
        f"{layer.name}: expected a layer that can be written as ONNX, got {type(layer).__name__}; "
        "ShuffleNetV2 can't be."
    )


def _convolution(graph: _Graph, layer: Any, folded: _Folded) -> str:
    kernel, *bias = (np.asarray(array, np.float64) for array in layer.get_weights())
    groups = 1
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        # (rows, columns, C, 1) to (C, 1, rows, columns)
        groups, kernel = kernel.shape[2], kernel.transpose(2, 3, 0, 1)
    else:
        kernel = kernel.transpose(3, 2, 0, 1)
    offset = bias[0] if bias else np.zeros(len(kernel))
    if layer.name in folded:
        scale, shift = folded[layer.name]
        kernel, offset = kernel * scale[:, None, None, None], offset * scale + shift
    constants = [
        graph.constant(f"{layer.name}/kernel", kernel),
        graph.constant(f"{layer.name}/bias", offset),
    ]
    return graph.add(
        "Conv",
        [*graph.inputs_of(layer), *constants],
        layer.name,
        group=groups,
        kernel_shape=layer.kernel_size,
        strides=layer.strides,
        dilations=layer.dilation_rate,
        pads=_pads(layer, layer.dilation_rate, layer.kernel_size),
    )


def _pads(layer: Any, dilations: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """The zeros around the input: top, left, bottom, right; SAME as TensorFlow has it."""
    sides = layer._inbound_nodes[0].input_tensors[0].shape[1:3]
    if isinstance(layer, AlignedDepthwiseConv2D):
        (top, bottom), (left, right) = layer.pads(sides)
        return [top, left, bottom, right]
    if layer.padding != "same":
        return [0] * 4
    totals = [
        max((-(-side // stride) - 1) * stride + (size - 1) * dilation + 1 - side, 0)
        for side, stride, size, dilation in zip(
            sides, layer.strides, kernel, dilations, strict=True
        )
    ]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]


def _norm(graph: _Graph, layer: Any, folded: _Folded) -> str:
    before = layer._inbound_nodes[0].input_tensors[0]._keras_history.operation
    (name,) = graph.inputs_of(layer)
    if before.name in folded:
        return name
    scale, offset = _scale_and_offset(layer)
    factor = graph.constant(f"{layer.name}/scale", scale[None, :, None, None])
    product = graph.add("Mul", [name, factor], f"{layer.name}/product")
    return graph.add(
        "Add",
        [product, graph.constant(f"{layer.name}/offset", offset[None, :, None, None])],
        layer.name,
    )


def _relu(graph: _Graph, layer: Any, folded: _Folded) -> str:
    if layer.max_value is None:
        return graph.add("Relu", graph.inputs_of(layer), layer.name)
    bounds = [
        graph.constant(f"{layer.name}/low", 0.0),
        graph.constant(f"{layer.name}/high", layer.max_value),
    ]
    return graph.add("Clip", [*graph.inputs_of(layer), *bounds], layer.name)


def _add(graph: _Graph, layer: Any, folded: _Folded) -> str:
    return graph.add("Add", graph.inputs_of(layer), layer.name)


def _concatenate(graph: _Graph, layer: Any, folded: _Folded) -> str:
    """Channels of maps, or rows of lists: the second axis of both."""
    return graph.add("Concat", graph.inputs_of(layer), f"{layer.name}/joined", axis=1)


def _pool(graph: _Graph, layer: Any, folded: _Folded) -> str:
    return graph.add("GlobalAveragePool", graph.inputs_of(layer), layer.name)


def _upsample(graph: _Graph, layer: Any, folded: _Folded) -> str:
    mode = {"bilinear": "linear", "nearest": "nearest"}[layer.interpolation]
    scales = graph.constant(f"{layer.name}/scales", (1, 1, *layer.size))
    return graph.add(
        "Resize",
        [*graph.inputs_of(layer), "", scales],
        layer.name,
        mode=mode,
        coordinate_transformation_mode="half_pixel",
        nearest_mode="round_prefer_floor",
    )


def _rows(graph: _Graph, layer: Any, folded: _Folded) -> str:
    """A map `(1, n * v, H, W)` as rows `(1, H * W * n, v)`."""
    last = graph.add("Transpose", graph.inputs_of(layer), f"{layer.name}/last", perm=(0, 2, 3, 1))
    shape = graph.constant(f"{layer.name}/shape", (1, *layer.target_shape), np.int64)
    return graph.add("Reshape", [last, shape], layer.name)


_Writer = Callable[[_Graph, Any, _Folded], str]
_WRITERS: tuple[tuple[Any, _Writer], ...] = (
    (keras.layers.Conv2D, _convolution),
    (keras.layers.DepthwiseConv2D, _convolution),
    (keras.layers.BatchNormalization, _norm),
    (keras.layers.ReLU, _relu),
    (keras.layers.Add, _add),
    (keras.layers.Concatenate, _concatenate),
    (keras.layers.GlobalAveragePooling2D, _pool),
    (keras.layers.UpSampling2D, _upsample),
    (keras.layers.Reshape, _rows),
)
