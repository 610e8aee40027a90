import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from lifecycle_msgs.msg import Transition
from std_srvs.srv import Trigger
from vision_msgs.msg import VisionInfo

from mtv_perception.ros.qos import LATCHED

SECOND = 1_000_000_000
BOX = (20, 30, 60, 100)


@pytest.fixture(scope="module")
def node(shared_graph, model):
    """A running node with a scripted network that tracks."""
    graph = shared_graph
    graph.listen()
    graph.start_scripted(model=model, track=True)
    graph.settle()
    return graph


@pytest.fixture
def graph(node):
    """The running node; what follows is a minute later, so that no object of another test is
    remembered.
    """
    node._newest += 60 * SECOND
    return node


def see(graph, box=BOX, stamp=None):
    """The ids in the result of an image with a box."""
    message = graph.scripted_image(graph.header(stamp), box_xyxy=box)
    return [detection.id for detection in graph.see(message).detections.detections]


def test_an_object_has_its_id_in_its_first_image_and_keeps_it_while_it_moves(graph):
    first = see(graph)
    assert len(first) == 1 and int(first[0]) > 0
    for step in range(1, 5):
        assert see(graph, (20 + 4 * step, 30, 60 + 4 * step, 100)) == first


def test_an_id_survives_missed_images(graph):
    first = see(graph)
    assert see(graph, None) == []
    assert see(graph) == first
    assert [see(graph, None), see(graph, None)] == [[], []]
    assert see(graph) == first


def test_another_object_has_another_id(graph):
    first = see(graph)
    assert see(graph, (100, 30, 140, 100)) not in ([], first)


def test_an_object_that_was_gone_for_long_is_another_one(graph):
    first = see(graph)
    graph._newest += 2 * SECOND
    assert see(graph) not in ([], first)


def test_a_new_timeline_forgets(graph):
    first = see(graph)
    before = graph.next_stamp() - 40 * SECOND
    again = see(graph, stamp=before)
    assert again not in ([], first)
    assert see(graph, stamp=before + SECOND // 10) == again


def test_an_activation_forgets(graph):
    first = see(graph)
    assert graph.transition(Transition.TRANSITION_DEACTIVATE)
    assert graph.transition(Transition.TRANSITION_ACTIVATE)
    again = see(graph)
    assert again not in ([], first)
    assert see(graph) == again


def test_another_model_forgets(graph):
    info = graph.subscribe(VisionInfo, "vision_info", LATCHED)
    graph.wait(lambda: info, "vision_info")
    version, first = info[-1].database_version, see(graph)
    assert graph.call(Trigger, "perception/reload_model", Trigger.Request()).success
    graph.wait(lambda: info[-1].database_version == version + 1, "the reloaded model")
    stamp = graph.next_stamp()
    again = see(graph, stamp=stamp)
    assert again not in ([], first)
    assert see(graph, stamp=stamp + SECOND // 10) == again


def test_tracking_and_its_memory_can_be_changed_while_running(graph):
    first = see(graph)
    assert graph.set_parameters(track_memory=0.0).successful
    assert [see(graph, None), see(graph) not in ([], first)] == [[], True]
    assert graph.set_parameters(track_memory=1.0, track=False).successful
    assert see(graph) == [""]
    assert graph.set_parameters(track=True).successful
    assert see(graph) not in ([], [""], first)
    assert not graph.set_parameters(track_iou=2.0).successful
