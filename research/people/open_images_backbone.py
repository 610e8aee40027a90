#!/usr/bin/env python3
"""Give the shipped network the backbone of another MobileNetV2 detector, as weights to begin with.

The detector is MediaPipe's SSD-MobileNetV2 (Apache-2.0), trained on Open Images V4, in float16. It
lies in the npm package `@mediapipe/objectron`:

    npm pack @mediapipe/objectron@0.4.1675468480
    tar xzf mediapipe-objectron-*.tgz
    tail -c +185 package/objectron_solution_packed_assets.data > ssd_oidv4_fp16.tflite
    research/people/open_images_backbone.py CONFIG.yaml --detector ssd_oidv4_fp16.tflite --out RUN

CONFIG.yaml is the training configuration that comes next; its images measure. The four 1x1
convolutions that read the backbone are fitted again, so that they give what they gave on the old
backbone as nearly as they can (least squares). RUN serves as `initial`.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mtv_perception.config import load, to_plain
from mtv_perception.network.layers import BN_EPSILON
from mtv_perception.network.mobilenetv2 import FINEST_BY_STRIDE
from mtv_perception.network.multitask import MultitaskNetwork, build_network, normalise
from mtv_perception.network.weights.litert import measure_norms
from mtv_perception.network.weights.pretrained import LayerWeights, set_layer_weights
from mtv_perception.runtime.models import find_model
from mtv_perception.training.config import CONFIG_FILE, TrainConfig
from mtv_perception.training.initial import load_exported
from mtv_perception.training.inputs import open_scenes
from mtv_perception.training.state import BEST_FILE, save_state
from mtv_perception.yaml_text import format_yaml

CONVOLUTIONS = {schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D}
DTYPES = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.FLOAT16: np.float16}
LAYER = re.compile(
    r"FeatureExtractor/MobilenetV2/(Conv|expanded_conv)(?:_(\d+))?/(?:(expand|depthwise|project)/)?"
)
READERS = {"lateral8": 8, "lateral16": 16, "lateral32": 32, "decoder_skip": 4}
"""The 1x1 convolutions that read the backbone, and the stride they read."""

IMAGES, AT_ONCE, NORM_IMAGES, NORM_AT_ONCE = 256, 8, 64, 4
RIDGE = 1e-4  # of the mean square of a feature


def read_backbone(path: Path) -> LayerWeights:
    """The MobileNetV2 of a detector of the TF Object Detection API, norms folded, by layer name."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    codes = [model.operatorCodes[operator.opcodeIndex].builtinCode for operator in graph.operators]
    halves = {
        operator.outputs[0]: operator.inputs[0]
        for operator, code in zip(graph.operators, codes, strict=True)
        if code == schema.BuiltinOperator.DEQUANTIZE
    }

    def constant(index: int) -> np.ndarray:
        tensor = graph.tensors[halves.get(index, index)]
        values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), DTYPES[tensor.type])
        return values.reshape(tensor.shape).astype(np.float32)

    found: LayerWeights = {}
    for operator, code in zip(graph.operators, codes, strict=True):
        name = LAYER.match(graph.tensors[operator.outputs[0]].name.decode())
        if code not in CONVOLUTIONS or name is None or (name[1] == "Conv" and name[2]):
            continue
        block = f"block_{name[2]}" if name[2] else "expanded_conv"
        layer = "Conv1" if name[1] == "Conv" else f"{block}_{name[3]}"
        norm = "bn_Conv1" if name[1] == "Conv" else f"{layer}_BN"
        kernel, bias = (constant(index) for index in operator.inputs[1:3])
        ones, zeros = np.ones_like(bias), np.zeros_like(bias)
        found[layer] = [kernel.transpose(1, 2, 3, 0)]
        found[norm] = [ones, bias, zeros, ones - BN_EPSILON]
    return found


def fit_readers(
    network: MultitaskNetwork, old: MultitaskNetwork, images: np.ndarray
) -> dict[str, float]:
    """Fit READERS of a network to what they give in the old one.

    Returns the share of the variance that is not explained, by layer.
    """
    wanted = keras.Model(old.model.input, [old.model.get_layer(name).output for name in READERS])
    layers = [FINEST_BY_STRIDE[stride] for stride in READERS.values()]
    given = keras.Model(
        network.model.input, [network.model.get_layer(name).output for name in layers]
    )
    sums: dict[str, np.ndarray] = {}
    for start in range(0, len(images), AT_ONCE):
        batch = normalise(images[start : start + AT_ONCE])
        pairs = zip(given.predict_on_batch(batch), wanted.predict_on_batch(batch), strict=True)
        for name, (features, outputs) in zip(READERS, pairs, strict=True):
            # One matrix holds all products: features, 1, outputs.
            rows = [x.reshape(-1, x.shape[-1]).astype(np.float64) for x in (features, outputs)]
            rows.insert(1, np.ones((len(rows[0]), 1)))
            joined = np.concatenate(rows, 1)
            sums[name] = sums.get(name, 0) + joined.T @ joined
    errors = {}
    for name, products in sums.items():
        layer, norm = network.model.get_layer(name), network.model.get_layer(f"{name}_bn")
        (kernel,) = layer.get_weights()
        count = kernel.shape[2] + 1
        inputs, cross, outputs = (
            products[:count, :count],
            products[:count, count:],
            products[count:, count:],
        )
        ridge = RIDGE * np.trace(inputs) / count * np.eye(count)
        solution = np.linalg.solve(inputs + ridge, cross)
        total = np.diag(outputs) - cross[-1] ** 2 / inputs[-1, -1]
        left = np.diag(outputs - 2 * solution.T @ cross + solution.T @ inputs @ solution)
        errors[name] = float((left / total).mean())
        layer.set_weights([solution[:-1].reshape(kernel.shape)])
        gamma, beta, mean, variance = norm.get_weights()
        norm.set_weights([gamma, beta, mean - solution[-1], variance])
    return errors


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    config = load(TrainConfig, args.config)
    source = open_scenes(config)
    images = np.stack([source(index).image for index in range(IMAGES)])
    old, network = build_network(config.network), build_network(config.network)
    for model in (old, network):
        load_exported(model, find_model("warehouse"), images[:NORM_IMAGES])
    set_layer_weights(network.model, read_backbone(args.detector))
    for name, error in fit_readers(network, old, images).items():
        print(f"{name}: {error:.2f} of the variance not explained")
    starts = range(0, NORM_IMAGES, NORM_AT_ONCE)
    measure_norms(network.model, (normalise(images[i : i + NORM_AT_ONCE]) for i in starts))
    args.out.mkdir(parents=True, exist_ok=True)
    save_state(args.out / BEST_FILE, {"average": network.model.weights}, 0)
    (args.out / CONFIG_FILE).write_text(format_yaml(to_plain(config)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
