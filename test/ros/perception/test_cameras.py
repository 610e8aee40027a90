import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CameraInfo, CompressedImage

from mtv_perception.ros.conversions import byte_array, stamp_ns

FRONT, REAR = "front/image/compressed", "rear/image/compressed"


@pytest.fixture(scope="module")
def graph(shared_graph, model):
    """A node with two cameras that send compressed images and their calibration."""
    graph = shared_graph
    graph.listen("front/")
    graph.listen("rear/")
    graph.start(
        model=model,
        cameras=["front", "rear"],
        transport="compressed",
        image_reliability="reliable",
        mask_reliability="reliable",
        camera_info=True,
        camera_timeout=3600.0,
        score_threshold=0.0,
        num_threads=1,
    )
    for topic in (FRONT, REAR):
        prefix = topic.split("image")[0]
        graph.settle(compressed(graph.header()), topic, prefix)
    return graph


def compressed(header, suffix=".jpg", size_hw=(120, 160)):
    pixels = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8)
    _, coded = cv2.imencode(suffix, pixels)
    return CompressedImage(header=header, format=suffix[1:], data=byte_array(coded))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize(("topic", "prefix"), [(FRONT, "front/"), (REAR, "rear/")])
def test_each_camera_gets_its_own_results(graph, topic, prefix, suffix):
    header = graph.header(frame_id=prefix + "optical")
    result = graph.see(compressed(header, suffix, (121, 163)), topic, prefix)
    assert result.detections.detections
    headers = [getattr(result, name).header for name in vars(result)]
    headers += [item.header for item in result.detections.detections]
    assert all(found == header for found in headers)
    assert (result.mask.height, result.mask.width, result.mask.step) == (121, 163, 163)
    other = graph.heard["rear/detections" if prefix == "front/" else "front/detections"][1]
    assert stamp_ns(header) not in [stamp_ns(message.header) for message in other]


def test_a_broken_compressed_image_is_counted_for_its_camera_only(graph):
    before = graph.see(compressed(graph.header()), FRONT, "front/").status
    broken = compressed(graph.header())
    broken.data = broken.data[:40]
    graph.send(broken, FRONT)
    status = graph.diagnosis(lambda s: s.level == DiagnosticStatus.ERROR, "an error", "front")
    assert "JPEG" in status.message
    graph.diagnosis(lambda s: s.level != DiagnosticStatus.ERROR, "no error", "rear")
    after = graph.see(compressed(graph.header()), FRONT, "front/").status
    assert after.failed == before.failed + 1


def test_a_flood_of_one_camera_does_not_starve_the_other(graph):
    flood = graph.publisher(CompressedImage, FRONT)
    message = compressed(graph.header())
    header = graph.header()
    graph.send(compressed(header), REAR)

    def seen():
        message.header = graph.header()
        flood.publish(message)
        return graph.result(stamp_ns(header), "rear/")

    assert graph.wait(seen, "the quiet camera's result")


def test_a_calibration_that_stays_away_is_told(graph):
    graph.see(compressed(graph.header()), REAR, "rear/")
    status = graph.diagnosis(lambda s: s.level != DiagnosticStatus.ERROR, "a status", "rear")
    assert status.level == DiagnosticStatus.WARN
    assert f"nothing on {graph.namespace}/rear/camera_info" in status.message
    assert "no publisher" in status.message


def test_calibration_is_published_beside_the_mask(graph):
    heard = graph.subscribe(CameraInfo, "front/segmentation/camera_info")
    info = CameraInfo(
        width=160, height=120, k=np.array([[150, 0, 80], [0, 150, 60], [0, 0, 1.0]]).ravel()
    )
    publisher = graph.publisher(CameraInfo, "front/camera_info")

    def scaled():
        publisher.publish(info)
        graph.see(compressed(graph.header(frame_id="lens")), FRONT, "front/")
        return heard

    graph.wait(scaled, "a CameraInfo")
    found = heard[-1]
    assert (found.width, found.height, found.header.frame_id) == (160, 120, "lens")
    assert found.k[0] == pytest.approx(150)
    assert stamp_ns(found.header) in [
        stamp_ns(m.header) for m in graph.heard["front/segmentation/mask"][1]
    ]
    graph.diagnosis(lambda s: s.level == DiagnosticStatus.OK, "an OK", "front")


def test_a_limited_camera_loses_images_and_the_other_none(graph):
    assert graph.set_parameters(camera_max_rates=[0.001, 0.0], camera_weights=[1.0, 2.0]).successful
    front = graph.publisher(CompressedImage, FRONT)
    before = graph.see(compressed(graph.header()), FRONT, "front/").status
    for _ in range(5):
        front.publish(compressed(graph.header()))
        graph.see(compressed(graph.header()), REAR, "rear/")
    status = graph.diagnosis(
        lambda s: counted(s, "received") == before.received + 5, "all images", "front"
    )
    assert counted(status, "dropped") == before.dropped + 5
    assert counted(status, "processed") == before.processed
    assert not graph.set_parameters(camera_max_rates=[1.0]).successful
    assert graph.set_parameters(camera_max_rates=[], camera_weights=[]).successful
    assert graph.see(compressed(graph.header()), FRONT, "front/")


def counted(status, name):
    return next(int(item.value) for item in status.values if item.key == name)
