"""The viewer's layout speaks of topics and fields that exist; annotations draw what was detected."""

import json
from pathlib import Path

import numpy as np

from mtv_perception.labels import LabelSet
from mtv_perception.replay.cameras import result_topics
from mtv_perception.replay.foxglove import ANNOTATIONS, image_annotations
from mtv_perception.replay.messages import builder, typestore
from mtv_perception.types import Detections

LAYOUT = json.loads((Path(__file__).resolve().parents[2] / "config" / "foxglove_layout.json").read_text())


def leaves(node):
    return [node] if isinstance(node, str) else leaves(node["first"]) + leaves(node["second"])


def test_every_panel_is_placed_and_configured():
    assert sorted(leaves(LAYOUT["layout"])) == sorted(LAYOUT["configById"])


def test_panels_show_topics_and_fields_that_exist():
    topics = {*result_topics("").values(), "/image/compressed"}
    status = typestore().types["mtv_perception/msg/PerceptionStatus"].__dataclass_fields__
    for panel in LAYOUT["configById"].values():
        image = panel.get("imageMode", {})
        assert {image.get("imageTopic", "/detections"), *image.get("annotations", {})} <= topics
        for path in panel.get("paths", []):
            topic, _, field = path["value"].rpartition(".")
            assert topic in topics and field in status
        assert panel.get("topicPath", "/detections") in topics


def test_no_objects_are_no_annotations():
    message = image_annotations(builder(), Detections(), LabelSet(), builder().header(5, "c"))
    assert (message.circles, message.points, message.texts) == ([], [], [])


def test_annotations_survive_serialisation():
    found = Detections(np.array([[1, 2, 3, 4]], np.float32), np.ones(1, np.float32), np.array([2], np.int32))
    message = image_annotations(builder(), found, LabelSet(), builder().header(5, "c"))
    store = typestore()
    again = store.deserialize_cdr(store.serialize_cdr(message, ANNOTATIONS), ANNOTATIONS)
    assert [(p.x, p.y) for p in again.points[0].points] == [(1, 2), (3, 2), (3, 4), (1, 4)]
    assert again.points[0].type == 2
    colour = again.points[0].outline_color
    assert [round(255 * value) for value in (colour.r, colour.g, colour.b)] == list(LabelSet().colour(2))
