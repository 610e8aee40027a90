"""A Keras network behind the runtime's interface.

So that training is judged by the code that runs on the robot.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from mtv_perception.network.multitask import MultitaskNetwork, normalise
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.outputs import Backend, RawOutputs, Tensor

OUTPUTS = ("class_logits", "box_offsets", "segmentation_logits")


def spec_of(network: MultitaskNetwork, name: str = "untrained") -> ModelSpec:
    """The description of a Keras network."""
    rows = network.model.output["segmentation_logits"].shape[1]
    return ModelSpec(
        name=name,
        classes=network.config.names,
        size_hw=network.config.size_hw,
        aligned_hw=network.config.aligned_hw,
        default_boxes=network.default_boxes.maps,
        segmentation_stride=network.config.size_hw[0] // rows,
        scores=network.scores,
        outputs={output: index for index, output in enumerate(OUTPUTS)},
    )


class KerasModel:
    """A network in the role of an artefact.

    Args:
        network: whose current weights are used at every run.
        name: of the model.
    """

    def __init__(self, network: MultitaskNetwork, name: str = "untrained") -> None:
        self.spec = spec_of(network, name)
        self._network = network

    def open(self, config: EngineConfig) -> Backend:
        """A runnable view of the network; engine and threads are TensorFlow's own."""
        return _KerasBackend(self._network)


class _KerasBackend:
    engine = "keras"

    def __init__(self, network: MultitaskNetwork) -> None:
        self._input = np.zeros((*network.config.size_hw, 3), np.uint8)
        model = network.model
        self._run = tf.function(
            lambda images: model(normalise(images), training=False),
            input_signature=[tf.TensorSpec((1, *network.config.size_hw, 3), tf.uint8)],
            autograph=False,
        )

    def input_view(self) -> np.ndarray:
        return self._input

    def run(self) -> RawOutputs:
        outputs = self._run(self._input[None])
        return RawOutputs(
            **{name: Tensor(outputs[name][0].numpy().astype(np.float32)) for name in OUTPUTS}
        )
