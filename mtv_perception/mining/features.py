"""What a picture looks like to the model: its widest layer, averaged over the picture.

The LiteRT file gives the raw outputs alone. LiteRT can keep inner tensors, but only without its
fast kernels, which makes the network twenty times slower. So the graph is cut after the widest
layer, which becomes the output. This needs no other file than every artefact has, and takes less
time than the whole network.
"""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from mtv_perception.errors import ArtefactError
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.runtime.artefact import MODEL_FILE, Artefact

_FILE_MARK = b"TFL3"
# Turned over, the highest bit of a byte makes an int8 of it that is less by 128.
_SIGN_BIT = np.uint8(128)
_LEAST_LENGTH = 1e-12


class PooledFeatures:
    """Gives pictures vectors whose distance tells how alike they look to the model.

    Args:
        artefact: of the model.
        num_threads: CPU threads of the network.

    Raises:
        ArtefactError: the model file can't be cut.
    """

    def __init__(self, artefact: Artefact, num_threads: int = 2) -> None:
        self._size_hw = artefact.size_hw
        self._stride = artefact.spec.segmentation_stride
        try:
            content = cut_after_widest(artefact.content)
            self._network = Interpreter(model_content=content, num_threads=num_threads)
            self._network.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ArtefactError(
                f"{artefact.folder / MODEL_FILE}: expected a network with layers inside, {error}."
            ) from error
        self._input = self._network.get_input_details()[0]
        self._output = self._network.get_output_details()[0]
        self._pixels = np.zeros((*self._size_hw, 3), np.uint8)

    def __call__(self, image_rgb: np.ndarray) -> np.ndarray:
        """The features of one picture.

        Args:
            image_rgb: `(H, W, 3)` uint8, any size.

        Returns:
            `(C,)` float32 of length 1; zeros where no channel answers.
        """
        source_hw = (image_rgb.shape[0], image_rgb.shape[1])
        Letterbox.fit(source_hw, self._size_hw, self._stride).write(image_rgb, self._pixels)
        given = self._pixels
        if self._input["dtype"] == np.int8:
            given = (given ^ _SIGN_BIT).view(np.int8)
        self._network.set_tensor(self._input["index"], given[None])
        self._network.invoke()
        values = self._network.get_tensor(self._output["index"])[0]
        return _unit(values.mean((0, 1), dtype=np.float64) - self._zero_point)

    @property
    def _zero_point(self) -> int:
        """The stored value of real 0; the scale changes no direction."""
        return int(self._output["quantization"][1])


def cut_after_widest(content: bytes) -> bytes:
    """A LiteRT file whose network ends with its widest layer.

    Of the layers that keep rows and columns, the one with the most channels; the last of several.
    There a network for pictures tells most kinds of things apart.

    Raises:
        ValueError: there is no such layer.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    widest = -1, -1, -1
    for position, operator in enumerate(graph.operators):
        for index in operator.outputs:
            shape = graph.tensors[index].shape
            if shape is not None and len(shape) == 4 and min(shape[1:3]) > 1:
                widest = max(widest, (int(shape[3]), position, int(index)))
    channels, position, index = widest
    if channels < 0:
        raise ValueError("found none with rows, columns and channels")
    graph.operators, graph.outputs = graph.operators[: position + 1], [index]
    model.signatureDefs = None  # they name the outputs that were cut off
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), _FILE_MARK)
    return bytes(builder.Output())


def distances(features: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Euclidean distances `(N, M)`, 0..2, of unit vectors `(N, C)` and `(M, C)`.

    With the bundled models, frames of one scene are 0.03 apart, and scenes 0.3.
    """
    return np.asarray(np.sqrt(np.clip(2 - 2 * (features @ others.T), 0, 4)))


def _unit(values: np.ndarray) -> np.ndarray:
    length = float(np.linalg.norm(values))
    return np.asarray(values / max(length, _LEAST_LENGTH), np.float32)
