import array

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("vision_msgs.msg", reason="there is no vision_msgs here; run: make setup")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header

from mtv_perception.errors import ImageError
from mtv_perception.labels import LabelSet
from mtv_perception.ros.conversions import (
    byte_array,
    compressed_to_rgb,
    detection_array,
    image_message,
    image_to_rgb,
    label_info,
    scaled_camera_info,
    stamp_ns,
)
from mtv_perception.tracking.tracker import NO_ID
from mtv_perception.types import Detections

HEADER = Header(stamp=Time(sec=3, nanosec=7), frame_id="optical")


def test_a_stamp_is_nanoseconds():
    assert stamp_ns(HEADER) == 3_000_000_007
    assert (
        stamp_ns(Header(stamp=Time(sec=2**31 - 1, nanosec=999_999_999)))
        == 2**31 * 1_000_000_000 - 1
    )


@pytest.mark.parametrize("shape", [(1,), (2, 3), (2, 3, 3)])
def test_bytes_of_an_array_in_order(shape):
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    data = byte_array(pixels)
    assert isinstance(data, array.array) and data.typecode == "B"
    assert data.tobytes() == pixels.tobytes()


@pytest.mark.parametrize(
    ("encoding", "shape"), [("mono8", (3, 5)), ("rgb8", (3, 5, 3)), ("bgr8", (1, 1, 3))]
)
def test_an_image_message_has_rows_without_padding(encoding, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    message = image_message(pixels, encoding, HEADER)
    assert (message.height, message.width, message.header) == (*shape[:2], HEADER)
    assert message.step == message.width * (1 if encoding == "mono8" else 3)
    assert np.array_equal(np.frombuffer(message.data, np.uint8).reshape(shape), pixels)


def test_an_image_message_of_a_slice_holds_the_slice():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)[1:5, 2:7, ::-1]
    message = image_message(pixels, "rgb8", HEADER)
    assert np.array_equal(image_to_rgb(message), pixels)


@pytest.mark.parametrize(
    ("encoding", "pixels"),
    [
        ("mono8", np.zeros((2, 2, 3), np.uint8)),
        ("rgb8", np.zeros((2, 2), np.uint8)),
        ("rgb8", np.zeros((2, 2, 3), np.float32)),
    ],
)
def test_pixels_of_another_kind_are_refused(encoding, pixels):
    with pytest.raises(ValueError, match=encoding):
        image_message(pixels, encoding, HEADER)


def test_a_message_that_contradicts_itself_is_an_image_error():
    with pytest.raises(ImageError):
        image_to_rgb(Image(height=2, width=2, encoding="rgb8", step=6))


def test_no_detections_are_an_empty_array():
    message = detection_array(Detections(), LabelSet(), HEADER)
    assert message.header == HEADER and list(message.detections) == []


@pytest.mark.parametrize(
    ("class_id_as", "expected"), [("id", ["2", "1"]), ("name", ["person", "rail"])]
)
def test_a_detection_has_centre_size_score_and_class(class_id_as, expected):
    boxes = np.array([[10, 20, 30, 60], [0, 0, 1, 1]], np.float32)
    found = Detections(boxes, np.array([0.75, 0.5], np.float32), np.array([2, 1], np.int32))
    message = detection_array(found, LabelSet(), HEADER, class_id_as)
    assert [item.results[0].hypothesis.class_id for item in message.detections] == expected
    assert [item.results[0].hypothesis.score for item in message.detections] == [0.75, 0.5]
    assert all(item.header == HEADER for item in message.detections)
    box = message.detections[0].bbox
    assert (box.center.position.x, box.center.position.y, box.size_x, box.size_y) == (
        20,
        40,
        20,
        40,
    )


def test_label_info_names_every_id():
    message = label_info(LabelSet(), 0.25, HEADER)
    assert {item.class_id: item.class_name for item in message.class_map} == dict(
        enumerate(LabelSet().names)
    )
    assert message.threshold == 0.25


@pytest.mark.parametrize("size_hw", [(240, 320), (480, 640), (960, 1280), (100, 640)])
def test_a_scaled_calibration_projects_where_the_scaled_image_shows_it(size_hw):
    k = np.array([[500.0, 0, 310], [0, 510, 250], [0, 0, 1]])
    p = np.hstack([k, [[-60.0], [0], [0]]])
    info = CameraInfo(
        height=480, width=640, k=k.ravel(), p=p.ravel(), d=[0.1, 0.2], distortion_model="plumb_bob"
    )
    scaled = scaled_camera_info(info, size_hw, HEADER)
    assert (scaled.height, scaled.width, scaled.header, list(scaled.d)) == (
        *size_hw,
        HEADER,
        [0.1, 0.2],
    )
    point = np.array([0.3, -0.2, 2.0])
    scale = np.array([size_hw[1] / 640, size_hw[0] / 480])
    for before, after, shape, homogeneous in [
        (info.k, scaled.k, (3, 3), point),
        (info.p, scaled.p, (3, 4), np.append(point, 1)),
    ]:
        u = np.reshape(before, shape) @ homogeneous
        v = np.reshape(after, shape) @ homogeneous
        # The centre of pixel 0 is at 0, so an edge-to-edge scaling maps u to (u + 1/2) * scale -
        # 1/2.
        assert np.allclose(v[:2] / v[2], (u[:2] / u[2] + 0.5) * scale - 0.5)
    assert info.header.frame_id == "", "the camera's own message stays as it was"


def test_an_uncalibrated_camera_only_gets_the_header():
    assert scaled_camera_info(CameraInfo(), (10, 20), HEADER) == CameraInfo(header=HEADER)


def test_a_calibration_of_a_region_with_binning_becomes_one_of_the_image():
    k = np.array([[500.0, 0, 310], [0, 510, 250], [0, 0, 1]])
    roi = RegionOfInterest(x_offset=320, y_offset=240, width=640, height=480)
    info = CameraInfo(height=960, width=1280, k=k.ravel(), roi=roi, binning_x=2, binning_y=2)

    scaled = scaled_camera_info(info, (240, 320), HEADER)

    assert (scaled.roi, scaled.binning_x, scaled.binning_y) == (RegionOfInterest(), 0, 0)
    # The left upper corner of the region, on the sensor and in the image.
    on_sensor = np.linalg.inv(k) @ [320 - 0.5, 240 - 0.5, 1]
    u, v, w = np.reshape(scaled.k, (3, 3)) @ on_sensor
    assert np.allclose([u / w, v / w], [-0.5, -0.5])


def test_ids_of_the_tracker_are_text_and_none_is_empty():
    found = Detections(np.zeros((3, 4), np.float32), np.ones(3, np.float32), np.ones(3, np.int32))
    assert [d.id for d in detection_array(found, LabelSet(), HEADER).detections] == [""] * 3
    message = detection_array(found, LabelSet(), HEADER, track_ids=np.array([7, NO_ID, 12]))
    assert [d.id for d in message.detections] == ["7", "", "12"]
    with pytest.raises(ValueError):
        detection_array(found, LabelSet(), HEADER, track_ids=np.array([7]))


@pytest.mark.parametrize("limit", [3, 4])
def test_images_of_more_pixels_than_the_limit_fail(limit):
    coded = CompressedImage(
        format="png", data=cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes()
    )
    plain = Image(height=2, width=2, encoding="rgb8", step=6, data=bytes(12))
    for convert, message in ((compressed_to_rgb, coded), (image_to_rgb, plain)):
        if limit == 4:
            assert convert(message, limit).shape == (2, 2, 3)
        else:
            with pytest.raises(ImageError, match="1 to 3 pixels, got 2x2"):
                convert(message, limit)
