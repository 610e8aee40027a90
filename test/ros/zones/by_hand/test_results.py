"""What one result brings, and what is told of those that can not be used."""

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from mtv_perception.ros.conversions import image_message, stamp_ns
from mtv_perception.ros.zones import feed as feed_module
from mtv_perception.types import Detections

ERROR = b"\x02"
A_MOMENT = 0.001
INSIDE = (3.0, 0.0)
TWO = ({"name": "front", "zones": [{"name": "a"}]}, {"name": "rear", "zones": [{"name": "b"}]})


def test_every_result_is_published_at_once_under_its_own_header(by_hand):
    by_hand.start(repeat=1.0)
    for people in ((), (INSIDE,), (INSIDE,), ()):
        by_hand.pass_time(0.02)
        header = by_hand.header()
        (said,) = by_hand.brings(lambda h=header, p=people: by_hand.see(*p, header=h))
        assert said.header == header
        assert said.zones[0].header == header
        assert said.zones[0].occupied == bool(people)
        cloud = by_hand.messages("points")[-1]
        assert (stamp_ns(cloud.header), cloud.header.frame_id) == (stamp_ns(header), "base_link")
        assert bool(cloud.width) == bool(people)


@pytest.mark.parametrize("camera", ["front", "rear"])
@pytest.mark.parametrize("mask_wait", [0.02, 0.05, 0.3])
def test_somebody_whose_mask_does_not_come_is_told_after_a_short_wait(by_hand, camera, mask_wait):
    zones = [[{"name": name, "tests": ["foot", "mask"]}] for name in ("a", "b")]
    cameras = [{**item, "zones": own} for item, own in zip(TWO, zones, strict=True)]
    by_hand.start(*cameras, mask_wait=mask_wait)
    by_hand.see(INSIDE, camera=camera)
    by_hand.pass_time(mask_wait - A_MOMENT)
    assert not by_hand.brings(by_hand.tick) or "occupied" not in by_hand.words().values()
    by_hand.pass_time(2 * A_MOMENT)
    by_hand.tick()
    assert by_hand.words() == {
        "a": "occupied" if camera == "front" else "unknown",
        "b": "occupied" if camera == "rear" else "unknown",
    }


def test_a_mask_is_used(by_hand):
    by_hand.start({"zones": [{"name": "stop", "tests": ["foot", "mask"]}]})
    mask = np.zeros((480, 640), np.uint8)
    by_hand.see(mask=mask)
    assert by_hand.words() == {"stop": "free"}
    by_hand.pass_time(0.02)
    mask[100:300, 300:360] = 2
    by_hand.see(mask=mask)
    assert by_hand.words() == {"stop": "occupied"}


NO_NUMBER, TOO_FEW = (float("nan"), 0.0), {"score_thresholds": [1.0]}
REFUSED = [
    ({"people": [NO_NUMBER]}, "finite"),
    ({"status": TOO_FEW}, "4 score_thresholds"),
    ({"mask": np.zeros((70, 160), np.uint8)}, "mask of the 640x480 image"),
]


@pytest.mark.parametrize(("rubbish", "text"), REFUSED)
def test_what_is_refused_is_counted_and_told_until_a_good_result(by_hand, rubbish, text):
    by_hand.start({"zones": [{"name": "stop", "tests": ["foot", "mask"]}]}, deadline=0.4)
    floor = np.zeros((480, 640), np.uint8)
    for _ in range(3):
        by_hand.pass_time(0.02)
        by_hand.see(*rubbish.get("people", ()), **{"mask": floor, **without(rubbish, "people")})
    by_hand.tick()
    said = by_hand.diagnoses()[""]
    assert text in by_hand.states()["stop"].reason and text in said.message
    assert (said.level, value(said, "refused")) == (ERROR, "3")

    by_hand.pass_time(0.02)
    by_hand.see(mask=floor)
    assert by_hand.words() == {"stop": "free"}
    by_hand.pass_time(0.5)
    by_hand.tick()
    assert by_hand.states()["stop"].reason.startswith("no result younger than 0.4 s: nothing on")


@pytest.mark.parametrize(("rubbish", "text"), REFUSED)
def test_somebody_in_results_that_are_refused_leaves_no_zone_free(by_hand, rubbish, text):
    """The results between show nobody, as of a detector that finds a person in every second image."""
    zone = {"name": "stop", "tests": ["foot", "mask"], "leave_results": 2}
    by_hand.start({"zones": [zone]})
    floor = np.zeros((480, 640), np.uint8)
    for _ in range(4):
        by_hand.pass_time(0.05)
        by_hand.see(mask=floor)
    assert by_hand.words() == {"stop": "free"}
    for _ in range(5):
        by_hand.pass_time(0.05)
        by_hand.see(*rubbish.get("people", ()), **{"mask": floor, **without(rubbish, "people")})
        by_hand.tick()
        assert by_hand.words() == {"stop": "unknown"}
        assert text in by_hand.diagnoses()[""].message
        by_hand.pass_time(0.05)
        by_hand.see(mask=floor)
        assert by_hand.words() == {"stop": "unknown"}
    by_hand.pass_time(0.05)
    by_hand.see(mask=floor)
    assert by_hand.words() == {"stop": "free"}


@pytest.mark.parametrize("rubbish", [{"people": [NO_NUMBER]}, {"status": TOO_FEW}])
def test_a_result_that_is_refused_does_not_take_the_next_one_along(by_hand, tools, rubbish):
    """The older one waits for its mask and leaves when the newer one is complete."""
    by_hand.start({"zones": [{"name": "stop", "tests": ["foot", "mask"]}]}, mask_wait=5.0)
    floor = np.zeros((480, 640), np.uint8)
    by_hand.see(mask=floor)
    by_hand.pass_time(0.02)
    by_hand.see(*rubbish.get("people", ()), **without(rubbish, "people"))
    by_hand.pass_time(0.02)
    header = by_hand.header()
    by_hand.deliver("segmentation/mask", image_message(floor, "mono8", header))
    by_hand.deliver("perception/status", tools.status_message(header))
    assert by_hand.words() == {"stop": "free"}
    boxes = np.array([tools.person_box(*INSIDE)], np.float32)
    found = Detections(boxes, np.ones(1, np.float32), np.full(1, 2, np.int32))
    by_hand.deliver("detections", tools.array(found, header))
    assert by_hand.words() == {"stop": "occupied"}
    assert value(by_hand.diagnoses()[""], "refused") == "1"


@pytest.mark.parametrize(("people", "word"), [([INSIDE], "unknown"), ([], "free")])
def test_somebody_in_detections_without_a_status_leaves_no_zone_free(by_hand, tools, people, word):
    """As of a second detector on the topic, or where the status was lost."""
    by_hand.start({"zones": [{"name": "stop"}]})
    for _ in range(5):
        by_hand.pass_time(0.05)
        by_hand.see()
    assert by_hand.words() == {"stop": "free"}
    for _ in range(5):
        by_hand.pass_time(0.05)
        boxes = np.array([tools.person_box(*at) for at in people], np.float32).reshape(-1, 4)
        count = len(boxes)
        found = Detections(boxes, np.ones(count, np.float32), np.full(count, 2, np.int32))
        by_hand.deliver("detections", tools.array(found, by_hand.header()))
        by_hand.pass_time(0.05)
        by_hand.see()
        assert by_hand.words() == {"stop": word}
    assert value(by_hand.diagnoses()[""], "without_status") == "5"


def without(values, name):
    return {key: item for key, item in values.items() if key != name}


def value(status, key):
    return next(item.value for item in status.values if item.key == key)


@pytest.mark.parametrize(
    ("age", "text"), [(3.0, "late: 3.00 s old"), (-0.1, "future"), (0.25, "not newer")]
)
def test_why_the_last_result_was_not_used_is_told(by_hand, age, text):
    by_hand.start(deadline=0.3)
    by_hand.see(header=by_hand.header(0.0))
    by_hand.pass_time(0.2)
    by_hand.see(header=by_hand.header(age))
    assert by_hand.words() == {"stop": "free"}
    by_hand.pass_time(0.2)
    by_hand.tick()
    assert by_hand.words() == {"stop": "unknown"}
    assert "the last result was" in by_hand.states()["stop"].reason
    assert text in by_hand.states()["stop"].reason


@pytest.mark.parametrize(
    ("kept", "silent"), [("detections", "perception/status"), ("perception/status", "detections")]
)
def test_which_topic_is_silent_is_told(by_hand, tools, kept, silent):
    by_hand.start(deadline=0.3)
    by_hand.see()
    for _ in range(5):
        by_hand.pass_time(0.1)
        header = by_hand.header()
        nobody = Detections(np.empty((0, 4), np.float32), np.empty(0), np.empty(0, np.int32))
        made = {
            "detections": tools.array(nobody, header),
            "perception/status": tools.status_message(header),
        }
        by_hand.deliver(kept, made[kept])
        by_hand.tick()
    assert by_hand.states()["stop"].reason.endswith(
        f"nothing on {by_hand.node.get_namespace()}/{silent}"
    )


@pytest.mark.parametrize(
    ("rmw", "shared", "word"),
    [
        ("rmw_fastrtps_cpp", 12, "free"),
        ("rmw_fastrtps_cpp", 0, "unknown"),  # another process' status
        ("rmw_cyclonedds_cpp", 0, "free"),
        ("rmw_zenoh_cpp", 0, "free"),
    ],
)
def test_parts_of_a_result_meet_whatever_the_middleware_s_ids_are(
    by_hand, monkeypatch, rmw, shared, word
):
    monkeypatch.setattr(feed_module, "get_rmw_implementation_identifier", lambda: rmw)
    by_hand.gid_of = lambda topic: (
        b"p" * shared + topic.encode()[::-1].ljust(16, b".")[: 16 - shared]
    )
    by_hand.start({"zones": [{"name": "a", "tests": ["foot", "mask"]}]}, mask_wait=0.5)
    by_hand.see(mask=np.zeros((480, 640), np.uint8))
    by_hand.wait(0.1)
    assert by_hand.words() == {"a": word}


@pytest.mark.parametrize(
    ("rmw", "detector", "kept"),
    [
        ("rmw_fastrtps_cpp", "perception", 12),
        ("rmw_fastrtps_cpp", "other", 12),  # its detections and masks are paired, too
        ("rmw_cyclonedds_cpp", "perception", 0),
        ("rmw_cyclonedds_cpp", "other", 16),
    ],
)
def test_how_much_of_an_id_tells_the_sender(by_hand, monkeypatch, rmw, detector, kept):
    monkeypatch.setattr(feed_module, "get_rmw_implementation_identifier", lambda: rmw)
    by_hand.start({"zones": [{"name": "a"}], "detector": detector, "image_hw": [480, 640]})
    (feed,) = by_hand.node._feeds
    identity = bytes(range(16))
    assert feed._process_of(identity) == identity[:kept]


def test_two_results_of_one_image_are_unknown_while_a_mask_is_waited_for(by_hand):
    """The second came before the mask, and took the place of the first."""
    by_hand.start({"zones": [{"name": "a", "tests": ["foot", "mask"]}]}, deadline=0.3)
    header, empty = by_hand.header(), np.zeros((480, 640), np.uint8)
    for people in ([INSIDE], []):
        by_hand.see(*people, header=header)
    by_hand.deliver("segmentation/mask", image_message(empty, "mono8", header))
    by_hand.brings(by_hand.tick)
    assert by_hand.words() == {"a": "unknown"}
    assert "two results of one image" in by_hand.states()["a"].reason
