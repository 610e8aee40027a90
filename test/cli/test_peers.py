"""ONNX Runtime is played by another where we test what we do with it; OpenVINO runs a real file."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mtv_perception.cli import bench
from mtv_perception.cli.bench.peers import Peer, open_onnx
from mtv_perception.errors import WeightsError

IMAGE = np.full((48, 64, 3), 51, np.uint8)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "other.onnx"
    path.write_bytes(b"a model")
    return path


@pytest.fixture
def onnxruntime(monkeypatch):
    """A runtime whose models take what a test says and remember what they were given."""
    engine = ModuleType("onnxruntime")
    engine.shape, engine.kind, engine.seen = [1, 3, 24, 32], "tensor(float)", []

    class Session:
        def __init__(self, path, options, providers):
            engine.threads, engine.providers = options.intra_op_num_threads, providers

        def get_inputs(self):
            return [SimpleNamespace(name="images", shape=engine.shape, type=engine.kind)]

        def run(self, names, given):
            engine.seen.append(given["images"])

    engine.SessionOptions, engine.InferenceSession = SimpleNamespace, Session
    monkeypatch.setitem(sys.modules, "onnxruntime", engine)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return engine


def test_the_network_alone_is_timed_on_the_cpu_with_the_same_threads(file, onnxruntime):
    (peer,) = open_onnx(file, [IMAGE])(3)

    assert peer.run(IMAGE) > 0
    assert (peer.name, peer.stage) == ("onnxruntime", "network_ms")
    assert (onnxruntime.threads, onnxruntime.providers) == (3, ["CPUExecutionProvider"])
    (given,) = onnxruntime.seen
    assert given.shape == (1, 3, 24, 32)
    assert given.dtype == np.float32
    assert given == pytest.approx(0.2)


def test_bytes_stay_bytes(file, onnxruntime):
    onnxruntime.kind = "tensor(uint8)"
    (peer,) = open_onnx(file, [IMAGE])(1)
    peer.run(IMAGE)

    assert onnxruntime.seen[0].dtype == np.uint8
    assert (onnxruntime.seen[0] == 51).all()


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ([1, 3, "height", "width"], "tensor(float)"),
        ([4, 3, 24, 32], "tensor(float)"),
        ([1, 24, 32, 3], "tensor(float)"),
        ([1, 3], "tensor(float)"),
        ([1, 3, 24, 32], "tensor(int64)"),
    ],
)
def test_a_model_of_another_kind_is_refused(file, onnxruntime, shape, kind):
    onnxruntime.shape, onnxruntime.kind = shape, kind

    with pytest.raises(
        WeightsError, match=r"other\.onnx: expected one input \(1, 3, H, W\) of fixed size"
    ):
        open_onnx(file, [IMAGE])(1)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(WeightsError, match="found no file"):
        open_onnx(tmp_path / "nothing.onnx", [IMAGE])(1)


def test_what_to_install_is_said(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(WeightsError, match="pip install onnxruntime"):
        open_onnx(file, [IMAGE])(1)


def test_a_real_file_is_measured_at_its_best(tmp_path):
    """Float32 in both runtimes, and int8: a network of one convolution."""
    for package in ("onnxruntime", "openvino", "nncf"):
        pytest.importorskip(package)
    onnx = pytest.importorskip("onnx")
    helper, kernel = onnx.helper, np.full((8, 3, 3, 3), 0.1, np.float32)
    shapes = {"images": [1, 3, 24, 32], "found": [1, 8, 22, 30]}
    given, found = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    )
    node = helper.make_node("Conv", ["images", "kernel"], ["found"])
    weights = [onnx.numpy_helper.from_array(kernel, "kernel")]
    graph = helper.make_graph([node], "peer", [given], [found], weights)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "peer.onnx")

    open_peers = open_onnx(tmp_path / "peer.onnx", [IMAGE] * 3)

    for threads in (1, 2):
        peers = open_peers(threads)
        assert [peer.name for peer in peers] == ["onnxruntime", "openvino", "openvino int8"]
        assert all(peer.run(IMAGE) > 0 for peer in peers)


def test_ratios_say_who_is_faster():
    peer = Peer("other", "network_ms", lambda image: 30.0)
    figures = bench.beside(peer, np.full((5, 1), 30.0), {"network_ms": {"p50": 6.0}})

    assert figures["network_ms"]["p99"] == 30.0
    assert (figures["ours_over_theirs"], figures["times_as_fast"]) == (0.2, 5.0)
