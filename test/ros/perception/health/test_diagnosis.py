import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

from diagnostic_msgs.msg import DiagnosticStatus
from sensor_msgs.msg import CompressedImage

from mtv_perception.ros.perception import account as account_module
from mtv_perception.ros.perception.account import CameraAccount, LatencyWindow
from mtv_perception.ros.perception.health.diagnosis import camera_status
from mtv_perception.ros.perception.worker import Counters


def test_percentiles_of_nothing_are_no_numbers():
    assert all(math.isnan(value) for value in LatencyWindow().percentiles().values())


def test_percentiles_are_those_of_the_latest_latencies():
    window = LatencyWindow()
    for value in [1e6] * 600 + list(range(1, 602)):
        window.add(value)
    found = window.percentiles()
    assert found["p50"] == pytest.approx(301.5)
    assert found["p99"] == pytest.approx(595, abs=1)


@pytest.mark.parametrize(
    ("error", "warning", "level", "message"),
    [
        ("", "", DiagnosticStatus.OK, "running"),
        ("", "disabled", DiagnosticStatus.WARN, "disabled"),
        ("no image", "", DiagnosticStatus.ERROR, "no image"),
        ("no image", "disabled", DiagnosticStatus.ERROR, "no image"),
    ],
)
def test_an_error_wins_over_a_warning(error, warning, level, message):
    situation = CameraAccount().situation(patience=1.0)
    status = camera_status("node: front", "model", Counters(received=3), situation, error, warning)
    assert (status.level, status.message, status.name, status.hardware_id) == (
        level,
        message,
        "node: front",
        "model",
    )
    values = {item.key: item.value for item in status.values}
    assert values["received"] == "3"
    assert {"stamp_to_publish_p50_ms", "stamp_to_publish_p95_ms", "stamp_to_publish_p99_ms"} <= set(
        values
    )


def test_a_failure_is_remembered_until_the_next_diagnostics(monkeypatch):
    now = 100.0
    monkeypatch.setattr(account_module, "time", SimpleNamespace(monotonic=lambda: now))
    account = CameraAccount()
    assert (account.situation(1.0).error, account.situation(1.0).lately) == ("", "")
    account.failed("too few bytes")
    assert (account.situation(1.0).error, account.situation(1.0).lately) == ("too few bytes", "")
    account.published(5.0, "")
    now += 1.0
    assert (account.situation(1.0).error, account.situation(1.0).lately) == ("", "too few bytes")
    now += 1.0
    assert account.situation(1.0).lately == ""
    account.failed("too few bytes")
    account.begin()
    assert (account.situation(1.0).error, account.situation(1.0).lately) == ("", "")


def test_a_camera_of_which_every_second_image_fails_never_runs(own_graph, model):
    graph, count = own_graph, 0
    graph.start(model=model)

    def send():
        nonlocal count
        image, count = graph.grey_image(graph.header()), count + 1
        if count % 2:
            image.data = image.data[:100]
        graph.send(image)

    graph.diagnosis(lambda found: "some images fail" in found.message, "a warning", meanwhile=send)
    heard = graph.heard["/diagnostics"][1]
    heard.clear()
    graph.wait(lambda: send() or len(heard) > 4, "diagnostics")
    assert not [s.message for message in heard for s in message.status if s.message == "running"]


def test_a_camera_that_sends_another_type_is_explained_in_log_and_diagnostics(own_graph, model):
    graph = own_graph
    graph.start(model=model, camera_timeout=0.5)
    graph.node.create_publisher(CompressedImage, "image", 5)
    status = graph.diagnosis(lambda found: "CompressedImage" in found.message, "the type")
    assert status.level == DiagnosticStatus.ERROR
    assert "no image for" in status.message and "transport: compressed" in status.message
    graph.wait(lambda: "publisher of sensor_msgs/msg/CompressedImage" in graph.log(), "the log")


def test_a_depth_image_is_refused_and_never_an_empty_scene(own_graph, model):
    graph = own_graph
    graph.start(model=model, remap={"image": "aligned_depth_to_color/image_raw"})

    def send():
        depth = graph.grey_image(graph.header())
        depth.encoding, depth.step = "16UC1", depth.width * 2
        graph.send(depth, "aligned_depth_to_color/image_raw")

    status = graph.diagnosis(lambda found: "image failed" in found.message, "it", meanwhile=send)
    assert status.level == DiagnosticStatus.ERROR
    assert "expected a picture, got depth" in status.message.lower()
    assert "aligned_depth_to_color/image_raw" in status.message


@pytest.mark.parametrize(
    ("form", "said"), [("16UC1; png compressed", "encoding 16UC1"), ("png", "16 bits")]
)
def test_a_compressed_depth_image_is_refused(own_graph, model, form, said):
    graph, topic = own_graph, "aligned_depth_to_color/image_raw/compressed"
    graph.start(model=model, transport="compressed", remap={"image/compressed": topic})
    _, coded = cv2.imencode(".png", np.full((120, 160), 2000, np.uint16))

    def send():
        graph.send(CompressedImage(header=graph.header(), format=form, data=coded.tobytes()), topic)

    status = graph.diagnosis(lambda found: "image failed" in found.message, "it", meanwhile=send)
    assert status.level == DiagnosticStatus.ERROR
    assert f"got depth by its {said} and the name of" in status.message
