"""What the node promises at its transitions, with a network that can be held."""

import time

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from std_srvs.srv import SetBool, Trigger

from mtv_perception.ros.conversions import stamp_ns

HANGS, RAISES = 1, 2  # The orders of scripted_node.py.


@pytest.fixture(scope="module")
def node(shared_graph, model):
    """A running node with a scripted network."""
    graph = shared_graph
    graph.listen()
    graph.start_scripted(model=model, network_timeout=3600.0)
    graph.settle()
    return graph


@pytest.fixture
def held(node):
    """A node whose network holds a frame; its stamp."""
    node.release.unlink(missing_ok=True)
    before = node.see().status
    header = node.header()
    node.send(node.scripted_image(header, HANGS))
    node.delivered()
    node.held, node.before = stamp_ns(header), before
    return node


def stamps(graph):
    return [stamp_ns(message.header) for message in graph.heard["detections"][1]]


def toggle(graph):
    for enabled in (False, True):
        graph.call(SetBool, "perception/set_enabled", SetBool.Request(data=enabled))


def cycle(graph):
    assert graph.transition(Transition.TRANSITION_DEACTIVATE)
    assert graph.transition(Transition.TRANSITION_ACTIVATE)


def swap(graph):
    assert graph.call(Trigger, "perception/reload_model", Trigger.Request()).success


@pytest.mark.parametrize("change", [toggle, cycle, swap])
def test_a_result_of_before_is_never_published_after(held, change):
    change(held)
    held.release.touch()
    after = held.see().status
    assert held.held not in stamps(held)
    assert after.epoch > held.before.epoch
    assert after.failed == 0
    if change is cycle:
        assert after.received == after.processed, "the frame of before counts for the time before"
    else:
        assert after.dropped >= held.before.dropped + 1
    assert after.received == after.processed + after.dropped + after.stale + after.failed


def test_a_failure_of_before_is_not_told_after(node):
    node.see()
    cycle(node)
    node.send(node.scripted_image(node.header(), RAISES))
    cycle(node)
    after = node.see().status
    assert (after.failed, after.received) == (0, 1)


def test_no_array_is_published_for_a_frame_that_failed(node):
    header = node.header()
    node.send(node.scripted_image(header, RAISES))
    broken = node.grey_image(node.header())
    broken.data = broken.data[:50]
    node.send(broken)
    node.delivered()
    node.see()
    assert not {stamp_ns(header), stamp_ns(broken.header)} & set(stamps(node))


def test_the_status_explains_the_result(node):
    status = node.see().status
    assert (status.source_width, status.source_height) == (160, 120)
    assert status.classes[0] == "background" and len(status.model_hash) == 64
    assert len(status.classes) == len(status.score_thresholds) == len(status.model_thresholds)
    assert list(status.box_classes) == list(status.mask_classes) == list(status.classes[1:])
    assert (
        not status.truncated and status.image_health == "" and list(status.suppressed_classes) == []
    )


def test_many_calls_at_once_share_loads_and_the_node_serves_on(node):
    client = node.node.create_client(Trigger, "perception/reload_model")
    node.wait(client.service_is_ready, "the service")
    version = node.see().status.epoch
    futures = [client.call_async(Trigger.Request()) for _ in range(200)]
    node.wait(lambda: any(future.done() for future in futures), "an answer")
    end = time.monotonic() + 60
    while not all(future.done() for future in futures) and time.monotonic() < end:
        node.settle()  # An image that meets the end of an epoch is dropped; the next one is not.
    answered = [future.result().success for future in futures if future.done()]
    assert all(answered) and len(answered) > 100
    assert node.see().status.epoch - version < len(answered) / 2, "calls share loads"


def test_locked_parameters_can_be_changed_only_while_inactive(own_graph, model):
    graph = own_graph
    graph.listen()
    graph.start_scripted(model=model, lock_parameters=True)
    graph.settle()
    refused = graph.set_parameters(score_threshold=0.9)
    assert not refused.successful and "lock_parameters" in refused.reason
    assert not graph.call(Trigger, "perception/reload_model", Trigger.Request()).success
    assert graph.transition(Transition.TRANSITION_DEACTIVATE)
    assert graph.set_parameters(score_threshold=0.9).successful
    assert graph.transition(Transition.TRANSITION_ACTIVATE)
    assert graph.see().status.score_thresholds[1] == pytest.approx(0.9)


def test_a_shutdown_transition_ends_the_process_with_status_zero(own_graph, model):
    graph = own_graph
    graph.start_scripted(model=model)
    assert graph.transition(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    graph.wait(lambda: graph.process.poll() is not None, "the end", alive=False)
    assert graph.process.returncode == 0, graph.log()


def test_exhausted_recovery_ends_the_process_with_status_one(own_graph, model):
    graph = own_graph
    graph.listen()
    graph.start_scripted(model=model, network_timeout=0.3)
    graph.settle()

    def hang():
        graph.send(graph.scripted_image(graph.header(), HANGS))
        time.sleep(0.1)
        return graph.process.poll() is not None

    graph.wait(hang, "the end", alive=False)
    assert graph.process.returncode == 1
    assert "must be started again" in graph.log()
    graph.process = None


@pytest.mark.parametrize("stamp", [0, 5_000_000_000])
def test_stamps_that_do_not_advance_are_an_error_of_their_own(own_graph, model, stamp):
    graph = own_graph
    graph.start_scripted(model=model, camera_timeout=0.5)

    def send():
        return graph.send(graph.grey_image(graph.header(stamp)))

    status = graph.diagnosis(
        lambda s: "stamps do not advance" in s.message, "the cause", meanwhile=send
    )
    assert status.level == DiagnosticStatus.ERROR and str(stamp // 10**9) in status.message
    graph.wait(lambda: send() or "stamps do not advance" in graph.log(), "the log")
