"""Every node ends cleanly when it is told to."""

import signal
import time
from pathlib import Path

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


def catches(process, number):
    """Whether a process has a handler for a signal."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    mask = next(line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("when", ["while loading", "while running"])
@pytest.mark.parametrize("name", NODES)
def test_two_signals_in_a_row_end_a_node_cleanly_at_any_time(
    own_graph, model, tmp_path, name, when
):
    graph = own_graph
    process = graph.start(name, **parameters_of(name, tmp_path, model))
    graph.wait(lambda: catches(process, signal.SIGTERM), "its handlers")
    if when == "while running":
        nodes = graph.node.get_node_names_and_namespaces
        graph.wait(lambda: (name.removesuffix("_node"), graph.namespace) in nodes(), name)
    graph.process = None
    for number in (signal.SIGINT, signal.SIGINT):
        process.send_signal(number)
        time.sleep(0.1)
    graph.wait(lambda: process.poll() is not None, "the end")
    assert process.returncode in ((0, 2) if name == "recorder_node" else (0,)), graph.log()
    assert "Traceback" not in graph.log() and "KeyboardInterrupt" not in graph.log()


def test_a_parameter_of_the_wrong_type_is_an_error_message(own_graph, tmp_path):
    graph = own_graph
    process = graph.start("zones_node", zones_file=7)
    graph.wait(lambda: process.poll() is not None, "the end", alive=False)
    graph.process = None

    assert process.returncode == 2
    assert "zones_file" in graph.log() and "Traceback" not in graph.log()
