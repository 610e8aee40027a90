"""Messages that never reach a subscription are counted, whatever the middleware says of them."""

import time

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from vision_msgs.msg import Detection2DArray

from mtv_perception.ros.losses import Losses
from mtv_perception.ros.qos import newest_only


def info(number, publisher=b"a"):
    gid = {"data": publisher.ljust(24, b"."), "implementation_identifier": "it"}
    return {"publication_sequence_number": number, "publisher_gid": gid}


def missed(*infos):
    losses = Losses()
    return [losses.missed(item) for item in infos], losses


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1, 2, 3], [0, 0, 0]),
        ([7, 8, 9], [0, 0, 0]),  # Who comes later has missed nothing.
        ([1, 5, 6, 9], [0, 3, 0, 2]),
        ([1, 2, 4, 3, 5], [0, 0, 1, -1, 0]),
        ([4, 3, 5], [0, 0, 0]),  # Nothing was counted for it before.
    ],
)
def test_gaps_in_a_publisher_s_numbers(numbers, expected):
    found, losses = missed(*map(info, numbers))
    assert found == expected
    assert losses.total == sum(expected) and losses.is_told


def test_publishers_count_for_themselves():
    found, _ = missed(info(1, b"a"), info(40, b"b"), info(2, b"a"), info(42, b"b"))
    assert found == [0, 0, 0, 1]


@pytest.mark.parametrize("untold", [{}, None, info(2**64 - 1), info(0)], ids=range(4))
def test_middleware_without_numbers_tells_nothing(untold):
    found, losses = missed(untold, untold)
    assert found == [0, 0] and not losses.is_told


@pytest.mark.parametrize("reliability", ["best_effort", "reliable"])
def test_what_newer_messages_push_out_of_a_queue_is_counted(own_graph, reliability):
    """Over real DDS: four of five messages, while nobody takes them."""
    losses, heard = Losses(), []

    def hear(message, about):
        heard.append(losses.missed(about))

    own_graph.node.create_subscription(Detection2DArray, "x", hear, newest_only(reliability))
    publisher = own_graph.publisher(Detection2DArray, "x")
    publisher.publish(Detection2DArray())
    own_graph.wait(lambda: heard, "the first message", alive=False)
    for _ in range(5):
        publisher.publish(Detection2DArray())
        time.sleep(0.05)  # Delivered by threads of the middleware; the executor does not run.
    own_graph.wait(lambda: len(heard) > 1, "the newest message", alive=False)

    assert sum(heard) + len(heard) == 6
    assert losses.total == 4


def test_a_recorder_that_was_stopped_says_what_the_bag_lacks(own_graph, tmp_path):
    import os
    import signal

    process = own_graph.start("recorder_node", bag=str(tmp_path / "bag"))
    publisher = own_graph.publisher(Detection2DArray, "detections")
    publisher.publish(Detection2DArray(header=own_graph.header()))
    own_graph.delivered("detections", node="recorder")
    os.kill(process.pid, signal.SIGSTOP)
    try:
        for _ in range(120):  # More than its queue holds.
            publisher.publish(Detection2DArray(header=own_graph.header()))
            time.sleep(0.005)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    publisher.publish(Detection2DArray(header=own_graph.header()))
    own_graph.wait(lambda: "are lost" in own_graph.log(), "a word about it")
    own_graph.process = None

    from mtv_perception.ros.process.processes import stop_node

    assert stop_node(process) == 1
    assert "which the bag lacks: detections: " in own_graph.log()
