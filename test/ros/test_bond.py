"""With bondpy and the messages of bond in the environment; elsewhere only the way without them."""

import sys

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor

from mtv_perception.ros.bond import TOPIC, Bond


@pytest.fixture
def pair(ros):
    """A managed node and the manager, both spun in one executor."""
    import threading

    nodes = [rclpy.create_node(name, context=ros.context) for name in ("perception", "manager")]
    executor = SingleThreadedExecutor(context=ros.context)
    for node in nodes:
        executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield nodes
    executor.shutdown()
    thread.join()
    for node in nodes:
        node.destroy_node()


def manager_end(node):
    bondpy = pytest.importorskip("bondpy.bondpy", reason="no bondpy; it is a package of ROS")
    end = bondpy.Bond(node, TOPIC, "perception")
    end.heartbeat_timeout, end.heartbeat_period = 4.0, 0.1
    end.start()
    return end


def test_the_manager_sees_the_bond_form_and_end(pair):
    managed, manager = pair
    theirs, ours = manager_end(manager), Bond(managed)
    assert ours.form()
    assert theirs.wait_until_formed(Duration(seconds=30))
    ours.end()
    assert theirs.wait_until_broken(Duration(seconds=30))
    theirs.shutdown()


def test_the_bond_forms_again_after_it_was_ended(pair):
    managed, manager = pair
    ours = Bond(managed)
    for _ in range(2):
        theirs = manager_end(manager)
        assert ours.form()
        assert theirs.wait_until_formed(Duration(seconds=30))
        ours.end()
        theirs.shutdown()
    ours.end()


def test_without_bondpy_nothing_is_bound_and_that_is_said(pair, monkeypatch):
    monkeypatch.setitem(sys.modules, "bondpy", None)
    monkeypatch.setitem(sys.modules, "bondpy.bondpy", None)
    ours = Bond(pair[0])
    assert not ours.form()
    ours.end()
    assert not [t for t, _ in pair[0].get_topic_names_and_types() if t.endswith(f"/{TOPIC}")]
