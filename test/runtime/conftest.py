"""A network that says what a test tells it to, and a real but tiny LiteRT artefact."""

from dataclasses import replace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from mtv_perception.geometry.default_boxes import DefaultBoxMap
from mtv_perception.runtime.artefact import ModelSpec, write_artefact
from mtv_perception.runtime.outputs import RawOutputs, Tensor

TINY_HW = (32, 64)
TINY_SHAPES = {
    "class_logits": (1, 32, 3),
    "box_offsets": (1, 32, 4),
    "segmentation_logits": (1, 8, 16, 4),
}


class FakeModel:
    """A model whose raw outputs are given; remembers the last input it ran on."""

    engine = "fake"

    def __init__(self, spec, raw):
        self.spec, self.raw = spec, raw
        self.input = np.zeros((*spec.size_hw, 3), np.uint8)
        self.seen = None

    def open(self, config):
        return self

    def input_view(self):
        return self.input

    def run(self):
        self.seen = self.input.copy()
        return self.raw


@pytest.fixture
def fake_model():
    """Makes a FakeModel of one default box of 8x8 pixels in each cell of 8 pixels; absent arrays
    say nothing.
    """

    def make(size_hw=(32, 64), class_logits=None, box_offsets=None, segmentation=None, **spec):
        grid_hw = (size_hw[0] // 8, size_hw[1] // 8)
        count = grid_hw[0] * grid_hw[1]
        nothing = np.full((count, 3), -20, np.float32)
        background = np.zeros((size_hw[0] // 4, size_hw[1] // 4, 4), np.float32)
        background[..., 0] = 10
        raw = RawOutputs(
            Tensor(nothing if class_logits is None else class_logits),
            Tensor(np.zeros((count, 4), np.float32) if box_offsets is None else box_offsets),
            Tensor(background if segmentation is None else segmentation),
        )
        maps = (DefaultBoxMap(grid_hw, ((8.0, 8.0),)),)
        return FakeModel(ModelSpec("fake", size_hw=size_hw, default_boxes=maps, **spec), raw)

    return make


@pytest.fixture(scope="session")
def tiny_contents():
    """One strided convolution an output, as LiteRT models by precision; "int8 input" takes its
    pixels less 128.
    """
    keras = pytest.importorskip("keras")
    tf = pytest.importorskip("tensorflow")

    def convert(quantise, input_type=tf.uint8):
        keras.utils.set_random_seed(3)
        images = keras.Input((*TINY_HW, 3), batch_size=1, dtype="float32" if quantise else "uint8")
        x = images if quantise else keras.layers.Rescaling(1 / 127.5, -1.0)(images)

        def head(stride, channels, shape):
            return keras.layers.Reshape(shape)(keras.layers.Conv2D(channels, stride, stride)(x))

        model = keras.Model(
            images, [head(8, 4, (-1, 4)), head(4, 4, (8, 16, 4)), head(8, 3, (-1, 3))]
        )
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        if quantise:
            rng = np.random.default_rng(0)
            samples = [rng.uniform(-1, 1, (1, *TINY_HW, 3)).astype(np.float32) for _ in range(4)]
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([sample] for sample in samples)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type, converter.inference_output_type = input_type, tf.int8
        return converter.convert()

    return {"float32": convert(False), "int8": convert(True), "int8 input": convert(True, tf.int8)}


@pytest.fixture(scope="session")
def tiny_spec():
    maps = (DefaultBoxMap((4, 8), ((12.0, 12.0),)),)
    return ModelSpec("tiny", size_hw=TINY_HW, default_boxes=maps)


def positions(content):
    """Where the raw outputs stand; converters reorder them."""
    details = Interpreter(model_content=content).get_output_details()
    shapes = [tuple(detail["shape"].tolist()) for detail in details]
    return {name: shapes.index(shape) for name, shape in TINY_SHAPES.items()}


@pytest.fixture(params=["float32", "int8"])
def tiny_folder(request, tmp_path, tiny_contents, tiny_spec):
    """An artefact folder, once in each number format."""
    content = tiny_contents[request.param]
    spec = replace(
        tiny_spec,
        outputs=positions(content),
        precision=request.param,
        thresholds={"person": 0.6},
        licence="Apache-2.0",
    )
    return write_artefact(tmp_path / "tiny", spec, content).folder
