import http.client
import json
import re
import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs a ROS 2")

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.conversions import compressed_message, image_message
from mtv_perception.ros.qos import newest_only


def test_the_node_serves_status_and_asks_for_pictures_only_while_watched(stage):
    process = stage.start("web_view_node", port=0)
    stage.wait(
        lambda: re.search(r"http://127\.0\.0\.1:(\d+)/", stage.log("web_view_node")), "the page"
    )
    port = int(re.search(r"http://127\.0\.0\.1:(\d+)/", stage.log("web_view_node"))[1])
    status = stage.node.create_publisher(PerceptionStatus, "perception/status", 5)
    overlay = stage.node.create_publisher(Image, "overlay", newest_only("best_effort"))
    stage.wait(status.get_subscription_count, "a subscription of the status")
    assert overlay.get_subscription_count() == 0
    figures = {}

    def shown():
        status.publish(
            PerceptionStatus(model_id="toy", received=7, network_ms=9.0, stamp_to_publish_ms=12.0)
        )
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/status.json")
        figures.update(json.loads(connection.getresponse().read()))
        return figures["model_id"] == "toy"

    stage.wait(shown, "the status on the page")
    assert figures["received"] == 7 and figures["series"]["network"][0] == 9.0

    heads = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    connection.request("GET", "/stream.mjpg")
    answer = connection.getresponse()
    thread = threading.Thread(target=lambda: heads.append(answer.readline()), daemon=True)
    thread.start()
    stage.wait(overlay.get_subscription_count, "a subscription of the overlay")

    def streamed():
        overlay.publish(image_message(np.full((48, 64, 3), 99, np.uint8), "rgb8", Header()))
        return heads

    stage.wait(streamed, "a picture")
    assert heads == [b"--frame\r\n"]
    answer.close()
    connection.close()

    def released():
        overlay.publish(image_message(np.zeros((48, 64, 3), np.uint8), "rgb8", Header()))
        return not overlay.get_subscription_count()

    stage.wait(released, "the end of the subscription")
    assert stage.stop(process) == 0


def test_an_address_in_use_is_said(stage):
    stage.start("web_view_node", port=0)
    stage.wait(lambda: "http://" in stage.log("web_view_node"), "the page")
    port = int(re.search(r":(\d+)/", stage.log("web_view_node"))[1])
    second = stage.start("web_view_node", remap={"__node": "second"}, port=port)
    stage.wait(lambda: second.poll() is not None, "the end of the second node")
    assert second.returncode == 2


def page_port(stage):
    found = stage.wait(
        lambda: re.search(r"http://127\.0\.0\.1:(\d+)/", stage.log("web_view_node")), "the page"
    )
    return int(found[1])


def test_with_anonymise_only_pixelated_pictures_are_shown(stage):
    process = stage.start("web_view_node", port=0, anonymise=True)
    port, qos = page_port(stage), newest_only("best_effort")
    raw = stage.node.create_publisher(Image, "overlay", qos)
    jpeg = stage.node.create_publisher(CompressedImage, "overlay/compressed", qos)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    connection.request("GET", "/stream.mjpg")
    answer, shown = connection.getresponse(), []

    def read():
        while (line := answer.readline()) not in (b"", b"\r\n"):
            shown.append(line)
        shown.append(answer.read(200))

    threading.Thread(target=read, daemon=True).start()
    stage.wait(jpeg.get_subscription_count, "a subscription of the overlay")
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)

    def refused():
        raw.publish(image_message(pixels, "rgb8", Header()))
        jpeg.publish(compressed_message(pixels, "jpeg", Header()))
        return "overlay refused" in stage.log("web_view_node")

    stage.wait(refused, "a word about pictures that are not anonymised")
    stage.spin(0.5)
    assert raw.get_subscription_count() == 0 and shown == []
    good = compressed_message(pixels, "jpeg", Header(), True)

    def streamed():
        jpeg.publish(good)
        return len(shown) > 3

    stage.wait(streamed, "a pixelated picture")
    assert bytes(good.data).startswith(shown[-1])
    answer.close()
    connection.close()
    assert stage.stop(process) == 0
