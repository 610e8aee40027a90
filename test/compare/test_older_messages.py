"""Truth in layouts of older vision_msgs, read as the bag defines them."""

import numpy as np
import pytest
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from mtv_perception.bags.reader import RAW
from mtv_perception.compare.truth import read_bag_dataset, read_truth
from mtv_perception.labels import LabelSet

LABELS = LabelSet(("background", "forklift", "person"))
DETECTION = "vision_msgs/msg/Detection2D"
ARRAY = f"{DETECTION}Array"
LAYOUTS = {
    "galactic": {
        "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score",
        "vision_msgs/msg/ObjectHypothesisWithPose": (
            "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose"
        ),
    },
    "foxy": {
        "vision_msgs/msg/ObjectHypothesisWithPose": (
            "string id\nfloat64 score\ngeometry_msgs/PoseWithCovariance pose"
        ),
    },
}
COMMON = {
    "vision_msgs/msg/BoundingBox2D": "geometry_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    DETECTION: (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox2D bbox\nsensor_msgs/Image source_img"
    ),
    ARRAY: "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
}


def store_of(layout):
    store, types = get_typestore(Stores.ROS2_FOXY), {}
    for name, text in {**LAYOUTS[layout], **COMMON}.items():
        types.update(get_types_from_msg(text, name))
    store.register(types)
    return store


class Maker:
    """Fills messages of a store; what is not given has its zero value."""

    def __init__(self, store):
        self.store = store

    def __call__(self, name, **values):
        return self.store.types[name](**values)

    def header(self, stamp):
        return self(
            "std_msgs/msg/Header",
            stamp=self("builtin_interfaces/msg/Time", sec=1, nanosec=stamp),
            frame_id="camera",
        )

    def image(self, header, width=64):
        data = np.full(48 * width, 9, np.uint8)
        return self(
            RAW,
            header=header,
            height=48,
            width=width,
            encoding="mono8",
            is_bigendian=0,
            step=width,
            data=data,
        )

    def truth(self, layout, stamp):
        pose = self(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=self(
                "geometry_msgs/msg/Pose",
                position=self("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0),
                orientation=self("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
            ),
            covariance=np.zeros(36),
        )
        kind = "vision_msgs/msg/ObjectHypothesisWithPose"
        if layout == "foxy":
            result = self(kind, id="person", score=1.0, pose=pose)
        else:
            what = self("vision_msgs/msg/ObjectHypothesis", class_id="person", score=1.0)
            result = self(kind, hypothesis=what, pose=pose)
        centre = self("geometry_msgs/msg/Pose2D", x=20.0, y=30.0, theta=0.0)
        box = self("vision_msgs/msg/BoundingBox2D", center=centre, size_x=10.0, size_y=20.0)
        header = self.header(stamp)
        found = self(
            DETECTION, header=header, results=[result], bbox=box, source_img=self.image(header, 4)
        )
        return self(ARRAY, header=header, detections=[found])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_truth_of_older_vision_msgs_is_read(tmp_path, layout):
    store = store_of(layout)
    make, path = Maker(store), tmp_path / "bag"
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        images = writer.add_connection("/image", RAW, typestore=store)
        truth = writer.add_connection("/truth", ARRAY, typestore=store)
        for stamp in range(3):
            image = make.image(make.header(stamp))
            writer.write(images, stamp, store.serialize_cdr(image, RAW))
            writer.write(truth, stamp, store.serialize_cdr(make.truth(layout, stamp), ARRAY))
    found = read_truth(path, LABELS)
    assert [item.boxes_xyxy.tolist() for item in found.values()] == [[[15, 20, 25, 40]]] * 3
    assert [item.class_ids.tolist() for item in found.values()] == [[2]] * 3
    assert len(read_bag_dataset(path, LABELS, cache=tmp_path / "cache")) == 3
