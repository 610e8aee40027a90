"""Detectors of others, judged by the same evaluation."""

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mtv_perception.data.formats.open import DatasetConfig, open_dataset
from mtv_perception.errors import WeightsError
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.evaluation.peers import PEER_NAMES, is_peer, open_peer
from mtv_perception.labels import WAREHOUSE

STRIDES, BINS, CLASSES, SIDE = (8, 16, 32, 64), 8, 80, 64
PERSON = WAREHOUSE.id_of("person")


def write_network(path, outputs):
    """An ONNX file that says the same of every image."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Constant", [], [f"out{i}"], value=onnx.numpy_helper.from_array(value))
        for i, value in enumerate(outputs)
    ]
    infos = [helper.make_tensor_value_info(f"out{i}", kind, v.shape) for i, v in enumerate(outputs)]
    entry = helper.make_tensor_value_info("image", kind, [1, 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, "fixed", [entry], infos)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def test_a_peer_runs_on_the_threads_asked_for(tmp_path):
    path = write_network(tmp_path / "pico.onnx", silent_outputs())
    for threads in (0, 1, 3):
        options = open_peer(str(path), threads)._session.get_session_options()
        assert options.intra_op_num_threads == threads


def test_tensorflow_takes_the_threads_or_says_why_not(monkeypatch):
    taken = []
    threading = SimpleNamespace(
        set_intra_op_parallelism_threads=taken.append,
        set_inter_op_parallelism_threads=taken.append,
    )
    engine = ModuleType("tensorflow")
    engine.config = SimpleNamespace(threading=threading)
    monkeypatch.setitem(sys.modules, "tensorflow", engine)
    monkeypatch.setitem(sys.modules, "mtv_perception.evaluation.peers.ssdlite", None)
    with pytest.raises(ImportError):
        open_peer(PEER_NAMES[0], 3)
    assert taken == [3, 1]

    def refuse(threads):
        raise RuntimeError("Intra op parallelism cannot be modified after initialization.")

    threading.set_intra_op_parallelism_threads = refuse
    with pytest.raises(WeightsError, match="Expected 3 threads of TensorFlow, but it runs already"):
        open_peer(PEER_NAMES[0], 3)


def silent_outputs():
    """Scores of 0 and even distributions."""
    cells = [(SIDE // stride) ** 2 for stride in STRIDES]
    scores = [np.zeros((1, count, CLASSES), np.float32) for count in cells]
    sides = [np.zeros((1, count, 4 * BINS), np.float32) for count in cells]
    return scores + sides


@pytest.mark.parametrize(("level", "row", "column"), [(0, 3, 4), (1, 1, 2), (2, 0, 1), (3, 0, 0)])
def test_a_box_lies_at_its_cell_with_its_sides(tmp_path, level, row, column):
    outputs, stride = silent_outputs(), STRIDES[level]
    cell = row * (SIDE // stride) + column
    outputs[level][0, cell, 0] = 0.75
    outputs[level][0, 0, 7] = 0.99  # of another class
    distances = np.array([1, 0, 2, 1])  # left, top, right, bottom, in strides
    certain = np.full((4, BINS), -50, np.float32)
    certain[np.arange(4), distances] = 50
    outputs[4 + level][0, cell] = certain.reshape(-1)

    result = open_peer(str(write_network(tmp_path / "pico.onnx", outputs)))(
        np.zeros((SIDE, 2 * SIDE, 3), np.uint8)
    )

    x, y = (column + 0.5) * stride, (row + 0.5) * stride
    box = np.array([x - stride, y, x + 2 * stride, y + stride]) * [2, 1, 2, 1]
    limits = [2 * SIDE, SIDE, 2 * SIDE, SIDE]
    np.testing.assert_allclose(result.detections.boxes_xyxy, [np.clip(box, 0, limits)], atol=1e-3)
    assert result.detections.class_ids.tolist() == [PERSON]
    assert result.detections.scores.tolist() == [0.75]


def test_of_two_cells_that_mean_one_person_the_surer_stays(tmp_path):
    outputs = silent_outputs()
    for cell, distances, score in ((0, [0, 0, 2, 1], 0.6), (1, [1, 0, 1, 1], 0.7)):
        outputs[0][0, cell, 0] = score
        certain = np.full((4, BINS), -50, np.float32)
        certain[np.arange(4), distances] = 50
        outputs[4][0, cell] = certain.reshape(-1)

    found = open_peer(str(write_network(tmp_path / "pico.onnx", outputs)))(
        np.zeros((SIDE, SIDE, 3), np.uint8)
    ).detections

    assert found.scores.tolist() == pytest.approx([0.7])
    np.testing.assert_allclose(found.boxes_xyxy, [[4, 4, 20, 12]], atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"not a network"])
def test_another_file_is_refused_by_name(tmp_path, content):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.onnx: expected an ONNX file"):
        open_peer(str(path))


def test_another_network_is_refused_with_its_shape(tmp_path):
    path = write_network(tmp_path / "other.onnx", silent_outputs()[:3])
    with pytest.raises(WeightsError, match="expected a PicoDet network .* 3 outputs"):
        open_peer(str(path))


@pytest.mark.parametrize("name", ["warehouse", "picodet", "models/mine"])
def test_other_names_mean_no_peer(name):
    assert not is_peer(name)
    with pytest.raises(WeightsError, match="Expected a peer"):
        open_peer(name)


def test_the_real_network_finds_people():
    data = Path(os.environ.get("MTV_DATA", "data"))
    path = data.parent / "teachers" / "picodet_s_416_coco.onnx"
    if not path.is_file():
        pytest.skip(f"no {path}")
    dataset = open_dataset(
        DatasetConfig(data / "coco_person", take="fold:0/5", box_classes=("person",)), WAREHOUSE
    )
    scores = evaluate(open_peer(str(path)), dataset).to_json()
    assert scores["per_class"]["person"]["ap50"] > 0.55
