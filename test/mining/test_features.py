"""Features of pictures: what the uncut network holds in its widest layer."""

import cv2
import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mtv_perception.errors import ArtefactError
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.mining.features import PooledFeatures, cut_after_widest, distances
from mtv_perception.runtime.artefact import Artefact, load_artefact
from mtv_perception.runtime.models import model_folders

BUNDLED = sorted(path.parent for folder in model_folders() for path in folder.glob("*/model.yaml"))


def picture(seed):
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 255, (6, 8, 3), np.uint8)
    return np.kron(blocks, np.ones((40, 40, 1), np.uint8))


def uncut(artefact, image):
    """The widest layer's mean from LiteRT without its fast kernels, which keeps every tensor."""
    network = Interpreter(
        model_content=artefact.content,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    network.allocate_tensors()
    given = np.zeros((*artefact.size_hw, 3), np.uint8)
    stride = artefact.spec.segmentation_stride
    Letterbox.fit(image.shape[:2], artefact.size_hw, stride).write(image, given)
    detail = network.get_input_details()[0]
    signed = detail["dtype"] == np.int8
    pixels = (given.astype(int) - 128).astype(np.int8) if signed else given
    network.set_tensor(detail["index"], pixels[None])
    network.invoke()
    cut = Interpreter(model_content=cut_after_widest(artefact.content)).get_output_details()[0]
    layers = [d for d in network.get_tensor_details() if d["name"] == cut["name"]]
    assert len(layers) == 1
    scale, zero = layers[0]["quantization"]
    values = (network.get_tensor(layers[0]["index"])[0].astype(float) - zero) * scale
    mean = values.mean((0, 1))
    return mean / np.linalg.norm(mean)


@pytest.mark.parametrize("folder", BUNDLED, ids=lambda folder: folder.name)
def test_features_are_those_of_the_uncut_network(folder):
    artefact, image = load_artefact(folder), picture(1)
    found = PooledFeatures(artefact)(image)

    assert found.dtype == np.float32 and np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    # The kernels round int8 in other ways.
    assert found @ uncut(artefact, image) > 0.99


def test_frames_of_a_scene_are_near_and_other_pictures_far(model, clip):
    look, capture = PooledFeatures(load_artefact(model)), cv2.VideoCapture(str(clip))
    first, second = (np.ascontiguousarray(capture.read()[1][..., ::-1]) for _ in range(2))
    seen = [look(image) for image in (first, second, first // 2 + 60, picture(2))]
    same, next_frame, darker, other = distances(seen[0][None], np.stack(seen))[0]

    assert same == pytest.approx(0, abs=1e-3)
    assert next_frame < other / 4
    assert darker < other


@pytest.mark.parametrize("size_hw", [(1, 1), (37, 900), (480, 640)])
def test_pictures_of_any_size_have_features(model, size_hw):
    found = PooledFeatures(load_artefact(model))(np.full((*size_hw, 3), 90, np.uint8))

    assert np.isfinite(found).all()


def test_a_network_without_layers_of_rows_and_columns_is_refused(model):
    artefact = load_artefact(model)
    parts = schema.ModelT.InitFromPackedBuf(artefact.content, 0)
    parts.subgraphs[0].operators = []
    builder = flatbuffers.Builder(1024)
    builder.Finish(parts.Pack(builder), b"TFL3")

    with pytest.raises(ArtefactError, match="expected a network with layers inside"):
        PooledFeatures(Artefact(artefact.folder, artefact.spec, bytes(builder.Output())))
