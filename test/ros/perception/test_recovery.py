import time

import pytest
import yaml

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from diagnostic_msgs.msg import DiagnosticStatus
from vision_msgs.msg import VisionInfo

from mtv_perception.ros.conversions import stamp_ns
from mtv_perception.ros.qos import LATCHED
from mtv_perception.runtime.artefact import SPEC_FILE, load_artefact, write_artefact

FINE, HANGS, RAISES, BREAKS = range(4)  # The orders of scripted_node.py.
TIMEOUT = 1.0


@pytest.fixture(scope="module")
def node(shared_graph, model, tmp_path_factory):
    """A running node with a scripted network and a model folder of its own."""
    graph = shared_graph
    graph.listen()
    source = load_artefact(model)
    graph.model = tmp_path_factory.mktemp("own") / "model"
    write_artefact(graph.model, source.spec, source.content)
    graph.start_scripted(model=str(graph.model), network_timeout=TIMEOUT)
    graph.settle()
    return graph


@pytest.fixture
def graph(node):
    """The running node, well and without a late result from another test."""
    node.release.unlink(missing_ok=True)
    node.diagnosis(lambda s: s.level == DiagnosticStatus.OK, "an OK", meanwhile=node.see)
    return node


def values(status):
    return {item.key: item.value for item in status.values}


def order(graph, what):
    """Send an image with an order; its stamp."""
    header = graph.header()
    graph.send(graph.scripted_image(header, what))
    return stamp_ns(header)


def is_error(text):
    return lambda s: s.level == DiagnosticStatus.ERROR and text in s.message


def recovered(graph, recoveries):
    return graph.diagnosis(
        lambda s: int(values(s)["recoveries"]) == recoveries and s.level == DiagnosticStatus.OK,
        "the recovery",
        meanwhile=lambda: order(graph, FINE),
    )


def recoveries(graph):
    return int(values(graph.diagnosis(lambda s: True, "a status"))["recoveries"])


def test_a_hung_network_is_an_error_and_recovers_without_publishing_the_late_result(graph):
    info = graph.subscribe(VisionInfo, "vision_info", LATCHED)
    graph.wait(lambda: info, "vision_info")
    before, count, version = graph.see().status, recoveries(graph), info[-1].database_version
    hung = order(graph, HANGS)
    graph.diagnosis(is_error("the network hung for"), "the error")
    recovered(graph, count + 1)
    after = graph.see().status
    assert after.failed == before.failed + 1
    assert after.received == after.processed + after.dropped + after.stale + after.failed
    graph.wait(
        lambda: info[-1].database_version == version + 1, "the announcement of the fresh model"
    )
    graph.release.touch()
    late = time.monotonic() + 1.0
    graph.wait(lambda: graph.see() and time.monotonic() > late, "the late result's time")
    assert hung not in [stamp_ns(message.header) for message in graph.heard["detections"][1]]
    assert "recovered: the network hung" in graph.log()


def test_a_model_that_can_not_be_loaded_again_is_tried_again(graph):
    count = recoveries(graph)
    good = (graph.model / SPEC_FILE).read_text(encoding="utf-8")
    (graph.model / SPEC_FILE).write_text(
        yaml.safe_dump(yaml.safe_load(good) | {"sha256": "0" * 64})
    )
    hung = order(graph, HANGS)
    graph.diagnosis(is_error("can't be loaded again"), "the refusal")
    order(graph, FINE)
    status = graph.diagnosis(is_error("SHA-256"), "the refusal again")
    assert int(values(status)["recoveries"]) == count
    (graph.model / SPEC_FILE).write_text(good, encoding="utf-8")
    recovered(graph, count + 1)
    assert hung not in [stamp_ns(message.header) for message in graph.heard["detections"][1]]


def test_a_network_that_fails_again_and_again_is_loaded_again(graph):
    count = recoveries(graph)
    order(graph, BREAKS)
    graph.diagnosis(is_error("the delegate is lost"), "the error")
    graph.diagnosis(
        is_error("images in a row failed"), "the cause", meanwhile=lambda: order(graph, FINE)
    )
    recovered(graph, count + 1)


def test_a_single_failure_costs_one_image(graph):
    count, before = recoveries(graph), graph.see().status
    order(graph, RAISES)
    graph.diagnosis(is_error("the delegate is lost"), "the error")
    after = graph.see().status
    assert (after.failed, after.processed) == (before.failed + 1, before.processed + 1)
    status = graph.diagnosis(lambda s: s.level == DiagnosticStatus.OK, "an OK")
    assert int(values(status)["recoveries"]) == count
