"""Every node ends cleanly when it is told to."""

import signal
import time

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

from mtv_perception.resources import SOURCE_ROOT

ZONES = """
cameras: [{zones: [{name: door, space: image, polygon: [[1, 1], [9, 1], [9, 9]], tests: [box]}]}]
"""
NODES = ("perception_node", "zones_node", "web_view_node", "recorder_node", "image_replay_node")


def parameters_of(name, folder, model):
    """The least a node needs."""
    (folder / "zones.yaml").write_text(ZONES, encoding="utf-8")
    return {
        "perception_node": {"model": model},
        "zones_node": {"zones_file": str(folder / "zones.yaml")},
        "web_view_node": {"port": 0},
        "recorder_node": {"bag": str(folder / "bag")},
        "image_replay_node": {"source": str(SOURCE_ROOT / "docs/media/people.mp4"), "loop": True},
    }[name]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("name", NODES)
def test_a_signal_ends_a_node_with_status_zero_and_without_a_traceback(
    own_graph, model, tmp_path, name, number
):
    graph = own_graph
    process = graph.start(name, **parameters_of(name, tmp_path, model))
    nodes = graph.node.get_node_names_and_namespaces
    graph.wait(
        lambda: [
            found for found in nodes() if found == (name.removesuffix("_node"), graph.namespace)
        ],
        name,
    )
    if name == "perception_node":
        graph.wait(lambda: "ready" in graph.log(), "the model")
    time.sleep(0.5)  # It is seen before its constructor has come to its end.

    process.send_signal(number)
    graph.wait(lambda: process.poll() is not None, "the end", alive=False)
    graph.process = None  # Its status is looked at here.

    # It is 1 where the end took too long, and 2 for a recorder that has recorded nothing.
    assert process.returncode == (2 if name == "recorder_node" else 0), graph.log()
    assert "Traceback" not in graph.log()
    if name == "recorder_node":
        assert (tmp_path / "bag" / "metadata.yaml").is_file()


def test_a_parameter_of_the_wrong_type_is_an_error_message(own_graph, tmp_path):
    graph = own_graph
    process = graph.start("zones_node", zones_file=7)
    graph.wait(lambda: process.poll() is not None, "the end", alive=False)
    graph.process = None

    assert process.returncode == 2
    assert "zones_file" in graph.log() and "Traceback" not in graph.log()
