"""Consumers have the middleware watch the topic of detections."""

import signal
import time

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from lifecycle_msgs.msg import Transition
from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import LivelinessPolicy, QoSProfile
from std_srvs.srv import SetBool
from vision_msgs.msg import Detection2DArray

from mtv_perception.ros.perception.config import NodeConfig
from mtv_perception.ros.perception.outputs import LEASE

PAUSE = 1.0


class Consumer:
    """A subscription that requests deadline and liveliness, and what it was told."""

    def __init__(self, graph):
        self.received, self.missed, self.alive = [], 0, None
        events = SubscriptionEventCallbacks(deadline=self._miss, liveliness=self._note)
        qos = QoSProfile(
            depth=50,
            deadline=Duration(seconds=PAUSE),
            liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
            liveliness_lease_duration=Duration(seconds=LEASE),
        )
        self.subscription = graph.node.create_subscription(
            Detection2DArray, "detections", self.received.append, qos, event_callbacks=events
        )

    def _miss(self, event):
        self.missed += event.total_count_change

    def _note(self, event):
        self.alive = event.alive_count > 0


@pytest.fixture(scope="module")
def node(shared_graph, model):
    """A node whose results are due within a second."""
    shared_graph.listen()
    shared_graph.start_scripted(model=model, camera_timeout=PAUSE)
    shared_graph.settle()
    return shared_graph


@pytest.fixture(scope="module")
def only_consumer(node):
    """As on a robot, one consumer that stays."""
    return Consumer(node)


@pytest.fixture
def consumer(node, only_consumer):
    """The consumer, after a result that it has received."""
    only_consumer.received.clear()
    node.wait(lambda: node.see() and only_consumer.received, "a result under these qualities")
    only_consumer.missed = 0
    return only_consumer


def silence(node):
    """Nothing but diagnostics, for longer than the lease."""
    end = time.monotonic() + LEASE + 2 * PAUSE
    node.wait(lambda: time.monotonic() > end, "silence")


def test_a_silent_camera_misses_the_deadline_of_a_node_that_lives(node, consumer):
    silence(node)
    assert consumer.missed and consumer.alive


def test_a_disabled_node_misses_the_deadline_and_lives(node, consumer):
    node.call(SetBool, "perception/set_enabled", SetBool.Request(data=False))
    silence(node)
    assert consumer.missed and consumer.alive
    node.call(SetBool, "perception/set_enabled", SetBool.Request(data=True))


def test_an_inactive_node_is_not_alive_until_it_is_active_again(node, consumer):
    assert node.transition(Transition.TRANSITION_DEACTIVATE)
    node.wait(lambda: consumer.alive is False, "the loss of liveliness")
    assert node.transition(Transition.TRANSITION_ACTIVATE)
    node.wait(lambda: consumer.alive, "liveliness, without an image")


@pytest.fixture
def stopped(node):
    """Stops the node's process; it goes on after the test at the latest."""
    yield lambda: node.process.send_signal(signal.SIGSTOP)
    node.process.send_signal(signal.SIGCONT)


def test_a_node_that_hangs_is_not_alive(node, consumer, stopped):
    stopped()
    node.wait(lambda: consumer.alive is False, "the loss of liveliness")
    node.process.send_signal(signal.SIGCONT)
    node.wait(lambda: consumer.alive, "liveliness again")


@pytest.mark.parametrize(
    "requested",
    [
        {},
        {"deadline": Duration(seconds=PAUSE)},
        {"deadline": Duration(seconds=60.0)},
        {"liveliness": LivelinessPolicy.AUTOMATIC},
    ],
)
def test_a_subscription_that_requests_less_works_as_before(node, requested):
    received = []
    subscription = node.node.create_subscription(
        Detection2DArray, "detections", received.append, QoSProfile(depth=5, **requested)
    )
    node.wait(lambda: node.see() and received, "a result")
    node.node.destroy_subscription(subscription)


@pytest.mark.parametrize(
    ("rates", "camera", "expected"),
    [
        ((), "front", 2.0),
        ((0.0, 0.5), "front", 2.0),
        ((0.0, 0.5), "rear", 4.0),
        ((30.0, 5.0), "rear", 2.0),
    ],
)
def test_the_longest_pause_knows_limits_of_rates(rates, camera, expected):
    config = NodeConfig(cameras=("front", "rear"), camera_max_rates=rates, camera_timeout=2.0)
    assert config.longest_pause(camera) == expected


def test_the_only_camera_has_a_longest_pause_too():
    assert NodeConfig(camera_timeout=3.0).longest_pause("") == 3.0
    assert NodeConfig(camera_max_rates=(0.1,)).longest_pause("") == 20.0
