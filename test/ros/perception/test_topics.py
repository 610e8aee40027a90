import itertools

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.conversions import image_message, stamp_ns
from mtv_perception.ros.qos import LATCHED

SECOND = 1_000_000_000
DEFAULTS = {
    "score_threshold": -1.0,
    "class_id_as": "name",
    "mask_size": "source",
    "mask_threshold": 0.0,
    "max_age": 0.0,
    "camera_timeout": 3600.0,
}


@pytest.fixture(scope="module")
def node(shared_graph, model):
    """A running node; pictures and images reliably, so that every message can be waited for."""
    graph = shared_graph
    graph.listen()
    graph.start(
        model=model,
        image_reliability="reliable",
        mask_reliability="reliable",
        camera_timeout=3600.0,
        num_threads=1,
    )
    graph.settle()
    return graph


@pytest.fixture
def graph(node):
    """The running node, with the defaults restored after the test."""
    yield node
    assert node.set_parameters(**DEFAULTS).successful
    node.call(SetBool, "perception/set_enabled", SetBool.Request(data=True))


def noise(height=120, width=160):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def grey(height=120, width=160):
    return np.full((height, width, 3), 127, np.uint8)


def counters(status):
    return {item.key: int(item.value) for item in status.values if "stamp" not in item.key}


@pytest.mark.parametrize(
    ("kind", "topic"),
    [
        (LabelInfo, "label_info"),
        (VisionInfo, "vision_info"),
        (LabelInfo, "segmentation/label_info"),
    ],
)
def test_descriptions_reach_a_late_joiner(graph, kind, topic):
    heard = graph.subscribe(kind, topic, LATCHED)
    graph.wait(lambda: heard, topic)
    if kind is LabelInfo:
        names = {item.class_id: item.class_name for item in heard[-1].class_map}
        assert names[0] == "background" and len(names) > 1
    else:
        assert heard[-1].method and heard[-1].database_version >= 0


def test_an_empty_scene_gives_an_empty_array_and_a_mask(graph):
    result = graph.see()
    assert list(result.detections.detections) == []
    assert result.status.detections == 0
    assert (result.mask.height, result.mask.width) == (120, 160)


def test_all_headers_are_the_sources(graph):
    assert graph.set_parameters(score_threshold=0.0).successful
    header = graph.header(frame_id="front_optical")
    result = graph.see(image_message(noise(), "rgb8", header))
    assert result.detections.detections, "with threshold 0 something is found in noise"
    headers = [getattr(result, name).header for name in vars(result)]
    headers += [item.header for item in result.detections.detections]
    assert all(found == header for found in headers)


@pytest.mark.parametrize("size_hw", [(120, 160), (121, 163), (1, 1), (720, 1280)])
def test_the_mask_has_the_sources_size_without_padding(graph, size_hw):
    result = graph.see(image_message(noise(*size_hw), "rgb8", graph.header()))
    for picture in (result.mask, result.confidence):
        assert (picture.height, picture.width, picture.step) == (*size_hw, size_hw[1])
        assert picture.encoding == "mono8"
        assert len(picture.data) == size_hw[0] * size_hw[1]


def test_boxes_lie_inside_the_source_image(graph):
    assert graph.set_parameters(score_threshold=0.0).successful
    for detection in graph.see(
        image_message(noise(90, 700), "rgb8", graph.header())
    ).detections.detections:
        box = detection.bbox
        x, y = box.center.position.x, box.center.position.y
        assert x - box.size_x / 2 >= -1e-3 and x + box.size_x / 2 <= 700 + 1e-3
        assert y - box.size_y / 2 >= -1e-3 and y + box.size_y / 2 <= 90 + 1e-3


def test_a_mask_of_network_size_has_the_sources_shape_in_the_network(graph):
    assert graph.set_parameters(mask_size="network").successful
    mask = graph.see().mask
    assert mask.step == mask.width == len(mask.data) // mask.height
    assert mask.height / mask.width == pytest.approx(120 / 160, rel=0.02)
    assert (mask.height, mask.width) != (120, 160)


@pytest.mark.parametrize(
    "picture", ["segmentation/mask", "segmentation/confidence", "segmentation/color", "overlay"]
)
def test_detections_and_status_go_out_before_pictures(graph, picture):
    """Zones wait for both, and not for pictures."""
    sent, topics = {}, {"detections": Detection2DArray, "perception/status": PerceptionStatus}
    subscriptions = [
        graph.node.create_subscription(
            kind, topic, noting_when_sent(sent, topic), QoSProfile(depth=50)
        )
        for topic, kind in {**topics, picture: Image}.items()
    ]

    def complete():
        graph.see()
        return [when for when in sent.values() if len(when) == len(subscriptions)]

    for when in graph.wait(complete, f"all of one image, with {picture}"):
        assert sorted(when, key=when.get) == ["detections", "perception/status", picture]
    for subscription in subscriptions:
        graph.node.destroy_subscription(subscription)


def noting_when_sent(sent, topic):
    """A callback that notes the source time of each message by stamp and topic."""

    def note(message, info):
        times = sent.setdefault(stamp_ns(message.header), {})
        times[topic] = info["source_timestamp"]

    return note


@pytest.mark.parametrize("topic", ["overlay", "segmentation/color"])
def test_pictures_for_people_come_while_someone_subscribes(graph, topic):
    heard = graph.subscribe(Image, topic)
    graph.wait(lambda: graph.see() and heard, topic)
    picture = heard[-1]
    assert (picture.height, picture.width, picture.step, picture.encoding) == (
        120,
        160,
        480,
        "rgb8",
    )
    assert any(stamp_ns(picture.header) == stamp_ns(m.header) for m in graph.heard["detections"][1])
    graph.node.destroy_subscription(graph.heard.pop(topic)[0])


def test_class_ids_are_names_and_can_be_numbers(graph):
    labels = graph.subscribe(LabelInfo, "label_info", LATCHED)
    graph.wait(lambda: labels, "label_info")
    names = {str(item.class_id): item.class_name for item in labels[-1].class_map}
    assert graph.set_parameters(score_threshold=0.0).successful

    def seen():
        found = graph.see(image_message(noise(), "rgb8", graph.header())).detections.detections
        return [item.results[0].hypothesis.class_id for item in found]

    found = seen()
    assert graph.set_parameters(class_id_as="id").successful
    assert found and found == [names[item] for item in seen()]


def test_a_disabled_node_is_silent_and_can_be_enabled_again(graph):
    before = graph.see().status
    answer = graph.call(SetBool, "perception/set_enabled", SetBool.Request(data=False))
    assert answer.success
    silent = [graph.header() for _ in range(3)]
    for header in silent:
        graph.send(image_message(noise(), "rgb8", header))
    graph.delivered()
    graph.diagnosis(
        lambda s: s.level == DiagnosticStatus.WARN and "disabled" in s.message, "a warning"
    )
    graph.call(SetBool, "perception/set_enabled", SetBool.Request(data=True))
    after = graph.see().status
    stamps = {
        stamp_ns(m.header)
        for _, heard in graph.heard.values()
        for m in heard
        if hasattr(m, "header")
    }
    assert not stamps & {stamp_ns(header) for header in silent}
    assert (after.received, after.processed) == (before.received + 1, before.processed + 1)


def broken_image(fault, header):
    message = image_message(noise(), "rgb8", header)
    if fault == "too short":
        message.data = message.data[:100]
    elif fault == "empty":
        message.data = message.data[:0]
    elif fault == "unknown encoding":
        message.encoding = "octarine8"
    elif fault == "huge":
        message.height = message.width = 60000
    elif fault == "no size":
        message.height = message.width = 0
    else:
        message.step = 7
    return message


@pytest.mark.parametrize(
    "fault", ["too short", "empty", "unknown encoding", "huge", "no size", "short step"]
)
def test_a_broken_image_is_counted_and_the_next_one_works(graph, fault):
    before = graph.see().status
    graph.send(broken_image(fault, graph.header()))
    status = graph.diagnosis(lambda s: counters(s)["failed"] > before.failed, "a failed image")
    assert status.level == DiagnosticStatus.ERROR and "Expected" in status.message
    after = graph.see().status
    assert after.failed == before.failed + 1
    assert after.processed == before.processed + 1
    assert after.received == after.processed + after.failed + after.dropped + after.stale


def test_diagnostics_are_good_again_after_a_good_image(graph):
    graph.send(broken_image("too short", graph.header()))
    graph.see()
    graph.diagnosis(lambda s: s.level == DiagnosticStatus.OK, "an OK")


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("score_threshold", 1.5, "score_threshold"),
        ("score_threshold", float("nan"), "score_threshold"),
        ("score_threshold", float("inf"), "score_threshold"),
        ("score_threshold", "high", "score_threshold"),
        ("max_detections", 0, "max_detections"),
        ("max_detections", 2.5, "max_detections"),
        ("max_age", -1.0, "max_age"),
        ("mask_size", "huge", "network"),
        ("class_id_as", "number", "name"),
        ("publish_mask", 1, "publish_mask"),
        ("class_score_thresholds", ["unicorn=0.5"], "unicorn"),
        ("class_score_thresholds", ["person=2"], "person=2"),
        ("class_score_thresholds", ["person"], "person"),
        ("suppress_absent", ["unicorn"], "unicorn"),
        ("suppress_absent", ["background"], "background"),
        ("transport", "compressed", "read-only"),
        ("cameras", ["a"], "read-only"),
    ],
)
def test_a_wrong_parameter_is_refused_with_a_reason(graph, name, value, reason):
    result = graph.set_parameters(**{name: value})
    assert not result.successful
    assert reason in result.reason
    assert graph.see().status.model_id


@pytest.mark.parametrize(("threshold", "found"), [(0.0, True), (1.0, False)])
def test_a_threshold_takes_effect_and_is_announced(graph, threshold, found):
    labels = graph.subscribe(LabelInfo, "label_info", LATCHED)
    assert graph.set_parameters(score_threshold=threshold).successful
    graph.wait(
        lambda: labels and abs(labels[-1].threshold - threshold) < 1e-3,
        "the threshold in label_info",
    )
    detections = graph.see(image_message(noise(), "rgb8", graph.header())).detections.detections
    assert bool(detections) == found


def test_a_single_class_threshold_wins(graph):
    labels = graph.subscribe(LabelInfo, "label_info", LATCHED)
    graph.wait(lambda: labels, "label_info")
    name = labels[-1].class_map[1].class_name
    assert graph.set_parameters(
        score_threshold=1.0, class_score_thresholds=[f"{name}=0.0"]
    ).successful
    found = graph.see(image_message(noise(), "rgb8", graph.header())).detections.detections
    assert {item.results[0].hypothesis.class_id for item in found} <= {name}
    assert graph.set_parameters(class_score_thresholds=[]).successful


def test_unsure_pixels_are_unlabelled_on_demand(graph):
    assert graph.set_parameters(mask_threshold=1.0).successful
    result = graph.see(image_message(noise(), "rgb8", graph.header()))
    mask, confidence = (np.asarray(m.data, np.uint8) for m in (result.mask, result.confidence))
    assert ((mask == 255) == (confidence < 255)).all()


def test_an_older_image_is_counted_as_stale(graph):
    before = graph.see().status
    graph.send(image_message(grey(), "rgb8", graph.header(stamp_ns(before.header) - SECOND // 2)))
    status = graph.diagnosis(lambda s: counters(s)["stale"] > before.stale, "a stale image")
    assert status.level == DiagnosticStatus.WARN and "stale" in status.message
    assert graph.see().status.stale == before.stale + 1


def test_a_bag_loop_is_accepted(graph):
    newest = stamp_ns(graph.see().detections.header)
    for offset in (-100, -99, -100):
        assert graph.see(image_message(grey(), "rgb8", graph.header(newest + offset * SECOND)))


def test_too_old_images_are_stale(graph):
    before = graph.see().status
    assert graph.set_parameters(max_age=30.0).successful
    graph.send(image_message(grey(), "rgb8", graph.header(graph.next_stamp() - 60 * SECOND)))
    graph.diagnosis(lambda s: counters(s)["stale"] == before.stale + 1, "a stale image")
    assert graph.see().status.stale == before.stale + 1


def test_a_silent_camera_is_an_error_until_it_speaks(graph):
    assert graph.set_parameters(camera_timeout=1.0).successful
    status = graph.diagnosis(lambda s: s.level == DiagnosticStatus.ERROR, "an error")
    assert "no image for" in status.message
    ticks = itertools.count()
    graph.diagnosis(
        lambda s: s.level == DiagnosticStatus.OK,
        "an OK",
        meanwhile=lambda: next(ticks) % 2 or graph.see(),
    )


def test_the_counters_add_up_in_a_flood(graph):
    headers = [graph.header() for _ in range(40)]
    publisher = graph.publisher(Image, "image")
    for header in headers:
        publisher.publish(image_message(grey(), "rgb8", header))
    graph.wait(lambda: graph.result(stamp_ns(headers[-1])), "the newest image's result")
    status = graph.see().status
    assert status.received == status.processed + status.dropped + status.stale + status.failed
    stamps = [stamp_ns(message.header) for message in graph.heard["detections"][1]]
    flood = [stamp for stamp in stamps if stamp in {stamp_ns(header) for header in headers}]
    assert flood == sorted(flood)
