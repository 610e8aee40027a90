import http.client
import json
import re
import threading

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs a ROS 2")

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.conversions import image_message
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
