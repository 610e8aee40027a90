"""What a lookup that fails tells of the topics, and what it costs."""

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")
pytest.importorskip("tf2_msgs.msg", reason="there is no tf2_msgs here; run: make setup")

import rclpy

from mtv_perception.geometry.frames import FrameError
from mtv_perception.ros import transforms


@pytest.fixture
def reader(ros):
    node = rclpy.create_node("reader", namespace="/transforms", context=ros.context)
    made = transforms.TransformReader(node)
    yield made
    made.destroy()
    node.destroy_node()


def fails(reader):
    with pytest.raises(FrameError) as caught:
        reader.lookup("base_link", "camera", 0, 0)
    return str(caught.value)


def test_the_graph_is_not_asked_for_every_result(reader, monkeypatch):
    asked = []
    monkeypatch.setattr(transforms, "_GRAPH_PERIOD", 60.0)
    monkeypatch.setattr(
        transforms, "what_is_heard", lambda _, topic, *__: asked.append(topic) or topic
    )

    texts = {fails(reader) for _ in range(10)}

    assert texts == {
        "no transform base_link -> camera: no frame 'camera' on /tf or /tf_static. /tf_static /tf"
    }
    assert asked == ["/tf_static", "/tf"]


def test_sentences_end_with_one_full_stop(reader):
    assert ".." not in fails(reader)
