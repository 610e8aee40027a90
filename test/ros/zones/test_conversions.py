"""Messages as zones read and write them, without a middleware."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose
from visualization_msgs.msg import Marker

from mtv_perception.labels import WAREHOUSE, LabelSet
from mtv_perception.ros.calibration import intrinsics_from, seems_rectified, why_info_unfit
from mtv_perception.ros.zones.conversions import (
    detections_from,
    mask_from,
    point_cloud,
    source_from,
    source_of_another_detector,
    stamped,
    without_old_markers,
    without_other_classes,
    zone_markers,
    zone_state,
)
from mtv_perception.zones.config import CameraConfig, ZoneConfig
from mtv_perception.zones.source import DetectionSource
from mtv_perception.zones.status import ZoneStatus

S = 1_000_000_000
SOURCE = DetectionSource(WAREHOUSE, (480, 640))
FLOOR = ZoneConfig("floor", ((1.0, 0.0), (2.0, 0.0), (2.0, 1.0)))
DOOR = ZoneConfig("door", ((10, 0), (20, 0), (20, 10)), space="image", classes=("person", "dog"))
CAMERA = CameraConfig(position=(0, 0, 1), image_hw=(480, 640), zones=(FLOOR, DOOR))


def hypothesis(name, score):
    made = ObjectHypothesisWithPose()
    made.hypothesis.class_id, made.hypothesis.score = name, score
    return made


def detection(x0, y0, x1, y1, *guesses):
    made = Detection2D(results=[hypothesis(*guess) for guess in guesses or [("person", 0.5)]])
    made.bbox.center.position.x, made.bbox.center.position.y = (x0 + x1) / 2, (y0 + y1) / 2
    made.bbox.size_x, made.bbox.size_y = x1 - x0, y1 - y0
    return made


def array_of(*items):
    return Detection2DArray(detections=list(items))


def test_boxes_scores_and_classes_are_read():
    found = detections_from(
        array_of(
            detection(10.0, 20.0, 30.0, 60.0, ("rail", 0.25), ("forklift", 0.75)),
            detection(0.0, 0.0, 640.0, 480.0, ("2", 0.5)),
        ),
        SOURCE,
    )

    np.testing.assert_array_equal(found.boxes_xyxy, [[10, 20, 30, 60], [0, 0, 640, 480]])
    assert found.scores.tolist() == [0.75, 0.5]
    assert found.class_ids.tolist() == [3, 2]
    assert len(detections_from(array_of(), SOURCE)) == 0


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (detection(0, 0, 5, 5, ("cat", 0.5)), "cat"),
        (detection(0, 0, 5, 5, ("4", 0.5)), "below 4"),
        (detection(0, 0, 5, 5, ("-1", 0.5)), "-1"),
        (detection(0, 0, 5, 5, ("person", float("nan"))), "finite"),
        (detection(0, 0, float("nan"), 5), "finite"),
        (detection(0, 0, float("inf"), 5), "finite"),
        (detection(5, 0, 0, 5), "size of 0 or more"),
        (detection(0, 5, 5, 0), "size of 0 or more"),
        (detection(-1.25, 0, 5, 5), "inside the 640x480 image"),
        (detection(0, 0, 641.25, 5), "inside the 640x480 image"),
        (detection(-2, 0, 5, 5), "inside the 640x480 image"),
        (detection(0, -2, 5, 5), "inside the 640x480 image"),
        (detection(0, 0, 642, 5), "inside the 640x480 image"),
        (detection(0, 0, 5, 482), "inside the 640x480 image"),
        (Detection2D(), "a class for every detection"),
    ],
)
def test_detections_that_make_no_sense_are_refused(item, text):
    with pytest.raises(ValueError, match=text):
        detections_from(array_of(detection(0, 0, 5, 5), item), SOURCE)


def test_a_box_may_reach_beyond_the_image_by_rounding():
    assert len(detections_from(array_of(detection(-1, -1, 641, 481)), SOURCE)) == 1


def test_no_more_detections_than_anybody_publishes():
    assert len(detections_from(array_of(*[detection(0, 0, 5, 5)] * 1000), SOURCE)) == 1000
    with pytest.raises(ValueError, match="at most 1000 detections, got 1001"):
        detections_from(array_of(*[detection(0, 0, 5, 5)] * 1001), SOURCE)


def test_a_number_is_no_id_where_names_are_numbers():
    numbered = DetectionSource(LabelSet(("background", "2", "1")), (480, 640))

    assert detections_from(array_of(detection(0, 0, 5, 5, ("1", 0.5))), numbered).class_ids == [2]
    with pytest.raises(ValueError, match="class id"):
        detections_from(array_of(detection(0, 0, 5, 5, ("0", 0.5))), numbered)


def test_a_status_explains_its_result(tools):
    status = tools.status_message(
        Header(),
        score_thresholds=[1.0, 0.25, 0.5, 0.75],
        model_thresholds=[1.0, 0.125, 0.25, 0.375],
        box_classes=["person"],
        mask_classes=["rail"],
        suppressed_classes=["forklift"],
        truncated=True,
        image_health="dark",
        image_health_detail="mean 3",
        size_hw=(480, 640),
        epoch=7,
    )

    assert source_from(status, b"me") == DetectionSource(
        WAREHOUSE,
        (480, 640),
        (b"me", "0123abcd", 7),
        (1.0, 0.25, 0.5, 0.75),
        (1.0, 0.125, 0.25, 0.375),
        frozenset({"person"}),
        frozenset({"rail"}),
        frozenset({"forklift"}),
        True,
        "dark (mean 3)",
    )
    assert source_from(tools.status_message(Header(), image_health="dark"), b"").fault == "dark"
    assert source_from(tools.status_message(Header()), b"").fault == ""


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"classes": []}, "background"),
        ({"classes": ["background", "person", "person"]}, "different"),
        ({"score_thresholds": [1.0]}, "4 score_thresholds"),
        ({"model_thresholds": []}, "4 model_thresholds"),
    ],
)
def test_a_status_that_makes_no_sense_is_refused(tools, changes, text):
    with pytest.raises(ValueError, match=text):
        source_from(tools.status_message(Header(), **changes), b"")


def test_another_detector_is_known_by_the_names_it_uses():
    message = array_of(detection(0, 0, 5, 5, ("cat", 0.5)), detection(1, 1, 5, 5, ("dog", 0.5)))
    source = source_of_another_detector(message, CAMERA, b"it")

    # A cat, for which no zone asks, may come and go.
    assert source == DetectionSource(
        LabelSet(("background", "dog", "person")), (480, 640), model=(b"it",)
    )
    found = detections_from(without_other_classes(message, source.labels), source)
    assert found.class_ids.tolist() == [1]
    with pytest.raises(ValueError, match="class names"):
        source_of_another_detector(array_of(detection(0, 0, 5, 5, ("2", 0.5))), CAMERA, b"")
    with pytest.raises(ValueError, match="image_hw"):
        source_of_another_detector(message, CameraConfig(zones=(DOOR,)), b"")


def test_all_that_another_detector_may_have_seen_counts():
    box = (0, 0, 5, 5)
    message = array_of(
        detection(*box, ("chair", 0.48), ("person", 0.47)),
        detection(*box, ("dog", 0.6), ("person", 0.4)),
    )
    source = source_of_another_detector(message, CAMERA, b"it")
    found = detections_from(without_other_classes(message, source.labels), source)

    names = [source.labels.names[k] for k in found.class_ids]
    assert list(zip(names, [round(float(s), 2) for s in found.scores], strict=True)) == [
        ("person", 0.47),
        ("dog", 0.6),
        ("person", 0.4),
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("Person", "PERSON", " person", "Dog", "\uff50\uff45\uff52son"),
        *("persons", "person 0.93", "person:0", "0: person", "a dog"),
    ],
)
def test_a_class_that_is_spelt_otherwise_is_refused(name):
    message = array_of(detection(0, 0, 5, 5, ("cat", 0.9), (name, 0.4)))
    with pytest.raises(ValueError, match=f"spelt as in the zones file.*{name}"):
        source_of_another_detector(message, CAMERA, b"it")


@pytest.mark.parametrize("name", ["", " "])
def test_a_class_without_a_name_is_refused(name):
    message = array_of(detection(0, 0, 5, 5, (name, 0.4)))
    with pytest.raises(ValueError, match="spelt as in the zones file"):
        source_of_another_detector(message, CAMERA, b"it")


def test_the_names_of_another_detector_can_be_listed():
    names = ("person", "dog", "person_sitting")
    camera = replace(CAMERA, detector="other", detector_classes=names)
    box = (0, 0, 5, 5)
    source_of_another_detector(array_of(detection(*box, ("person_sitting", 0.4))), camera, b"it")
    for name in ("human", "pedestrian", "worker", "persons"):
        message = array_of(detection(*box, ("person", 0.5)), detection(*box, (name, 0.4)))
        with pytest.raises(ValueError, match=f"names of detector_classes, got .*{name}"):
            source_of_another_detector(message, camera, b"it")


@pytest.mark.parametrize(
    ("box", "score", "text"),
    [
        ((0.2, 0.1, 0.4, 0.9), 0.9, "boxes in pixels, got one of 0.2x0.8"),
        ((0, 0, 1, 1), 0.9, "boxes in pixels"),
        ((0, 0, 0, 0), 0.9, "not filled in"),
        ((320, 240, 320, 240), 0.9, "not filled in"),
        ((320, 240, 320.3, 240.8), 0.9, "boxes in pixels"),
        ((10, 10, 50, 90), 0.0, "a score above 0"),
        ((10, 10, 50, 90), -1.0, "a score above 0"),
        ((10, 10, 50, 90), 87.0, "a score above 0, up to 1"),
        ((10, 10, 50, 90), float("nan"), "a score above 0"),
    ],
)
def test_what_another_detector_did_not_fill_in_is_refused(box, score, text):
    message = array_of(detection(10, 10, 50, 90, ("cat", 0.8)), detection(*box, ("person", score)))
    with pytest.raises(ValueError, match=text):
        source_of_another_detector(message, CAMERA, b"it")


def test_a_class_in_another_unicode_form_is_refused():
    zone = replace(CAMERA.zones[0], classes=("Fu\u00dfg\u00e4nger",))
    camera = replace(CAMERA, zones=(zone,))
    for name in ("Fu\u00dfga\u0308nger", "Fu\u00dfg\u00e4n\u200bger"):
        message = array_of(detection(0, 0, 5, 5, (name, 0.9)))
        with pytest.raises(ValueError, match="spelt as in the zones file"):
            source_of_another_detector(message, camera, b"it")


@pytest.mark.parametrize("angle", [1.5708, -0.1, float("nan")])
def test_a_box_that_is_turned_is_refused(angle):
    """Its lower edge is not where its height says; the feet would be looked for elsewhere."""
    message = array_of(detection(0, 0, 5, 5, ("person", 0.9)))
    message.detections[0].bbox.center.theta = angle
    source = source_of_another_detector(message, CAMERA, b"it")
    with pytest.raises(ValueError, match="upright box"):
        detections_from(message, source)


@pytest.mark.parametrize("angle", [0.0, 3.14159265, -3.14159265, 6.28318531])
def test_half_a_turn_leaves_a_box_upright(angle):
    message = array_of(detection(0, 0, 5, 5, ("person", 0.9)))
    message.detections[0].bbox.center.theta = angle
    source = source_of_another_detector(message, CAMERA, b"it")
    assert len(detections_from(message, source)) == 1


def image(height=4, width=6, **changes):
    pixels = np.arange(height * 8, dtype=np.uint8)
    values = {"height": height, "width": width, "encoding": "mono8", "step": 8}
    return Image(**values | {"data": pixels.tobytes()} | changes)


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_a_mask_with_padded_rows(encoding):
    mask = mask_from(image(encoding=encoding))

    np.testing.assert_array_equal(mask, np.arange(32).reshape(4, 8)[:, :6])


@pytest.mark.parametrize(
    "changes",
    [
        {"encoding": "rgb8"},
        {"step": 5},
        {"data": bytes(31)},
        {"height": 0},
        {"width": 0},
        {"height": 10_000, "width": 10_000, "step": 10_000},
    ],
)
def test_masks_that_make_no_sense_are_refused(changes):
    with pytest.raises(ValueError, match="Expected"):
        mask_from(image(**changes))


def test_a_calibration_is_read_with_its_size_and_coefficients():
    info = CameraInfo(height=480, width=640, distortion_model="equidistant", d=[0.1, 0, 0, 0, 0])
    info.k = [500.0, 1.0, 320.0, 0.0, 501.0, 240.0, 0.0, 0.0, 1.0]
    found = intrinsics_from(info)

    assert (found.size_hw, found.focal_xy, found.centre_xy) == ((480, 640), (500, 501), (320, 240))
    assert (found.lens, found.distortion, found.skew) == ("equidistant", (0.1, 0, 0, 0), 1.0)
    with pytest.raises(ValueError, match="focal"):
        intrinsics_from(info, rectified=True)  # P is not filled in
    info.p = [450.0, 0.0, 310.0, 0.0, 0.0, 451.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    flat = intrinsics_from(info, rectified=True)
    assert (flat.focal_xy, flat.centre_xy, flat.distortion) == ((450, 451), (310, 230), ())
    assert why_info_unfit(info, (480, 640)) == ""
    assert "1280x960" in why_info_unfit(info, (960, 1280))
    info.roi = RegionOfInterest(x_offset=1, y_offset=2, width=30, height=40)
    assert "30x40 at 1,2" in why_info_unfit(info, (480, 640))
    with pytest.raises(ValueError, match="region"):
        intrinsics_from(info)
    info.roi, info.binning_x, info.binning_y = RegionOfInterest(), 2, 3
    assert "2x3" in why_info_unfit(info, (480, 640))


@pytest.mark.parametrize(
    ("topic", "rectified"),
    [
        ("/image_rect", True),
        ("/front/image_rect_color", True),
        ("/front/image_rect/compressed", True),
        ("/image_raw", False),
        ("/rect/image_raw", False),
        ("/image_direct", False),
    ],
)
def test_rectified_images_are_known_by_their_topic(topic, rectified):
    assert seems_rectified(topic) is rectified


@pytest.mark.parametrize("stamp", [0, 1, S - 1, S, 5 * S + 7, -1])
def test_times_survive(tools, stamp):
    assert tools.stamp_ns(stamped(stamp, "x")) == stamp


def test_a_state_says_all_of_its_status(tools):
    status = ZoneStatus("a", True, True, 3 * S + 1, 5 * S + 2, 4, 1.5)
    state = zone_state(status, "camera")

    assert (state.name, state.valid, state.occupied, state.objects) == ("a", True, True, 4)
    assert (state.nearest_distance, state.reason, state.header.frame_id) == (1.5, "", "camera")
    assert tools.stamp_ns(state.header) == 5 * S + 2
    assert tools.stamp_ns_of(state.since) == 3 * S + 1
    unknown = zone_state(ZoneStatus("a", False, False, 1, 2, reason="dark"), "camera")
    assert (unknown.valid, unknown.reason) == (False, "dark")


def test_points_are_little_endian_floats_of_twelve_bytes():
    cloud = point_cloud(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), stamped(S, "base"))

    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (1, 2, 12, 24)
    assert [(item.name, item.offset, item.datatype, item.count) for item in cloud.fields] == [
        ("x", 0, 7, 1),
        ("y", 4, 7, 1),
        ("z", 8, 7, 1),
    ]
    np.testing.assert_array_equal(
        np.frombuffer(bytes(cloud.data), "<f4").reshape(-1, 3), [[1, 2, 3], [4, 5, 6]]
    )
    assert len(point_cloud(np.empty((0, 3)), Header()).data) == 0
    assert not cloud.is_bigendian and cloud.is_dense


def test_markers_of_floor_zones_only(tools):
    states = {
        "floor": ZoneStatus("floor", True, True, 0, 0),
        "door": ZoneStatus("door", True, False, 0, 0),
    }
    array = zone_markers((CAMERA,), states, 7 * S, 0.75)
    outline, title = array.markers

    assert [item.id for item in array.markers] == [0, 1]
    assert {
        (item.ns, tools.stamp_ns(item.header), item.header.frame_id) for item in array.markers
    } == {("zones", 7 * S, "base_link")}
    assert (outline.type, title.type) == (Marker.LINE_STRIP, Marker.TEXT_VIEW_FACING)
    assert [(point.x, point.y) for point in outline.points] == [(1, 0), (2, 0), (2, 1), (1, 0)]
    assert title.text == "floor\noccupied"
    assert (title.pose.position.x, title.pose.position.y) == pytest.approx((5 / 3, 1 / 3))
    assert (outline.lifetime.sec, outline.lifetime.nanosec) == (0, 750_000_000)
    wiped = without_old_markers(array, "base_link").markers
    assert [item.action for item in wiped] == [Marker.DELETEALL, Marker.ADD, Marker.ADD]


def test_the_markers_of_several_zones_do_not_replace_each_other():
    zones = [[replace(FLOOR, name=f"{camera}{number}") for number in range(2)] for camera in "ab"]
    cameras = [replace(CAMERA, name=own[0].name, zones=(*own, DOOR)) for own in zones]
    states = {zone.name: ZoneStatus(zone.name, True, False, 0, 0) for own in zones for zone in own}
    markers = zone_markers(cameras, states, 0, 1.0).markers

    assert len({(item.ns, item.id) for item in markers}) == len(markers) == 8
    assert [item.text.split()[0] for item in markers[1::2]] == ["a0", "a1", "b0", "b1"]


@pytest.mark.parametrize(
    ("valid", "occupied", "word", "strongest"),
    [(True, True, "occupied", "r"), (True, False, "free", "g"), (False, False, "unknown", "r")],
)
def test_words_and_colours_of_markers(valid, occupied, word, strongest):
    states = {"floor": ZoneStatus("floor", valid, occupied, 0, 0), "door": None}
    title = zone_markers((CAMERA,), states, 0, 1.0).markers[1]
    colour = {"r": title.color.r, "g": title.color.g, "b": title.color.b}

    assert title.text.endswith(f"\n{word}")
    assert max(colour, key=colour.get) == strongest
    assert title.color.a == 1.0
