"""The network as an ONNX file, run by ONNX Runtime."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("tensorflow")

from mtv_perception.errors import WeightsError  # noqa: E402
from mtv_perception.export.onnx_file import write_onnx  # noqa: E402
from mtv_perception.export.onnx_graph import OPSET, onnx_model  # noqa: E402
from mtv_perception.network.config import NetworkConfig  # noqa: E402
from mtv_perception.network.multitask import build_network  # noqa: E402

NAMES = ["class_logits", "box_offsets", "segmentation_logits"]


def test_the_file_computes_what_the_network_does(network, images, tmp_path):
    file = tmp_path / "new" / "network.onnx"

    errors = write_onnx(network, file, images)

    session = onnxruntime.InferenceSession(str(file))
    (given,) = session.get_inputs()
    assert (given.name, given.shape, given.type) == ("images", [1, 3, 64, 96], "tensor(float)")
    assert [item.name for item in session.get_outputs()] == NAMES
    assert [item.shape for item in session.get_outputs()] == [
        [1, 192, 3],
        [1, 192, 4],
        [1, 4, 16, 24],
    ]
    assert [item.version for item in onnx.load(file).opset_import] == [OPSET]
    assert set(errors) == set(NAMES) and max(errors.values()) < 1e-4


def test_the_levels_joined_are_the_joined_outputs(network, images):
    planes = {"images": images[0].transpose(2, 0, 1)[None].astype(np.float32)}
    joined, levels = (
        onnxruntime.InferenceSession(onnx_model(network, joined=flag).SerializeToString())
        for flag in (True, False)
    )
    whole = dict(zip(NAMES, joined.run(NAMES, planes), strict=True))

    for name, columns in (("class_logits", 3), ("box_offsets", 4)):
        parts = [item.name for item in levels.get_outputs() if item.name.startswith(name)]
        rows = [part.reshape(-1, columns) for part in levels.run(parts, planes)]
        np.testing.assert_allclose(np.concatenate(rows), whole[name][0], atol=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(size_hw=(96, 160)),
        NetworkConfig("warehouse-small", size_hw=(96, 64), width=0.5),
        NetworkConfig("reference", size_hw=(64, 96), legacy_heads=True),
        NetworkConfig(size_hw=(64, 96), output_stride=16),
        NetworkConfig(size_hw=(128, 160), aligned_hw=(96, 64)),
    ],
    ids=["odd levels", "small", "reference", "dilated", "aligned"],
)
def test_every_mobilenet_preset_can_be_written(config, images):
    network = build_network(config)
    image = np.ascontiguousarray(np.resize(images[0], (*config.size_hw, 3)))
    session = onnxruntime.InferenceSession(onnx_model(network).SerializeToString())

    found = session.run(NAMES, {"images": image.transpose(2, 0, 1)[None].astype(np.float32)})

    expected = network.model(image[None].astype(np.float32) / 127.5 - 1, training=False)
    for name, array in zip(NAMES, found, strict=True):
        array = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
        np.testing.assert_allclose(array, expected[name], atol=2e-3)


def test_a_network_that_can_not_be_written_is_an_error_that_says_so():
    with pytest.raises(WeightsError, match="ShuffleNetV2"):
        onnx_model(build_network(NetworkConfig(size_hw=(64, 64), backbone="shufflenetv2")))
