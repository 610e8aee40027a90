"""The real perception node before the real zones node: restarts with classes in another order."""

import shutil

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs ROS 2")

import cv2
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.conversions import image_message
from mtv_perception.ros.process.processes import start_node, stop_node

ORDERS = (
    ("rail", "person", "forklift"),
    ("person", "rail", "forklift"),
    ("forklift", "person", "rail"),
)


@pytest.fixture
def models(model, tmp_path):
    """One network under several orders of the same names.

    So that the same object is called otherwise.
    """

    def make(names):
        folder = tmp_path / "_".join(names) / "warehouse"
        shutil.copytree(model, folder)
        spec = yaml.safe_load((folder / "model.yaml").read_text())
        spec["classes"] = ["background", *names]
        spec.pop("trained", None)
        spec.pop("golden", None)
        (folder / "model.yaml").write_text(yaml.safe_dump(spec))
        return folder

    return [make(names) for names in ORDERS]


@pytest.mark.parametrize("as_", ["name", "id"])
def test_every_answer_is_that_of_its_own_results_model(stage, tools, tmp_path, models, clip, as_):
    opened = cv2.VideoCapture(str(clip))
    pixels = cv2.cvtColor(opened.read()[1], cv2.COLOR_BGR2RGB)
    opened.release()
    everywhere = {"name": "all", "space": "image", "tests": ["box"], "leave_seconds": 0.0}
    everywhere["polygon"] = [[0, 0], [640, 0], [640, 480], [0, 480]]
    file = tools.zones_file(
        tmp_path, deadline=2.0, camera={"zones": [everywhere], "image_hw": [480, 640]}
    )
    stage.host(file)
    statuses, results, images = {}, {}, stage.node.create_publisher(Image, "image", 5)

    def keep(kind, kept, topic):
        stage.node.create_subscription(
            kind, topic, lambda message: kept.update({tools.stamp_ns(message.header): message}), 50
        )

    keep(PerceptionStatus, statuses, "perception/status")
    keep(Detection2DArray, results, "detections")

    def look():
        images.publish(image_message(pixels, "rgb8", stage.header(stage.now())))

    for folder, names in zip(models, ORDERS, strict=True):
        with (tmp_path / f"{names[0]}_{names[1]}.log").open("w") as log:
            process = start_node(
                "perception_node",
                {"model": str(folder), "check_images": False, "class_id_as": as_},
                remap={"__ns": stage.namespace},
                environment={"ROS_DOMAIN_ID": str(stage.domain), "ROS_LOG_DIR": str(tmp_path)},
                output=log,
            )
            try:
                began, word = stage.now(), "occupied" if names[1] == "person" else "free"
                stage.wait(
                    lambda began=began, word=word: any(
                        tools.meaning(z) == word and tools.stamp_ns(z.header) > began
                        for _, z in stage.states(began)
                    ),
                    f"{word} with {names}",
                    look,
                )
            finally:
                stop_node(process)

    def people_in(stamp):
        classes, found = list(statuses[stamp].classes), results[stamp].detections
        ids = [item.results[0].hypothesis.class_id for item in found]
        return sum(
            name == "person" or (name.isdecimal() and classes[int(name)] == "person")
            for name in ids
        )

    judged = [(tools.stamp_ns(z.header), tools.meaning(z)) for _, z in stage.states() if z.valid]
    known = [(stamp, word) for stamp, word in judged if stamp in statuses and stamp in results]
    assert {word for _, word in known} == {"free", "occupied"}
    assert [stamp for stamp, word in known if word == "free" and people_in(stamp)] == []
    fresh = np.array([people_in(stamp) for stamp, word in known if word == "occupied"])
    assert (fresh > 0).any()
