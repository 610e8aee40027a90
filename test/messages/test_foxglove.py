"""The viewers' layouts speak of topics and fields that exist; annotations draw what was
detected.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from mtv_perception.bags.topics import result_topics
from mtv_perception.labels import LabelSet
from mtv_perception.messages.foxglove import ANNOTATIONS, image_annotations
from mtv_perception.messages.typestore import builder, typestore
from mtv_perception.types import Detections

CONFIG = Path(__file__).resolve().parents[2] / "config"
LAYOUT = json.loads((CONFIG / "foxglove_layout.json").read_text())
RVIZ = {
    name: yaml.safe_load((CONFIG / name).read_text())
    for name in ("perception.rviz", "perception_camera.rviz")
}
RVIZ_TOPICS = {
    "Image": {"image", "overlay", "segmentation/color"},
    "Camera": {"image"},
    "MarkerArray": {"zones/markers", "objects"},
    "PointCloud2": {"zones/points"},
    "Map": {"floor"},
}

# What Lichtblick's panels know (LayoutData, ImageModeConfig, PlotConfig, PlotPath and
# RawMessagesPanelConfig of its source); a key that is not there is dropped unsaid.
LAYOUT_KEYS = {"configById", "globalVariables", "userNodes", "playbackConfig", "layout"}
TITLE = {"foxglovePanelTitle"}
PANEL_KEYS = {
    "Image": TITLE | {"imageMode", "topics", "layers"},
    "Plot": TITLE
    | {
        "paths",
        "xAxisVal",
        "showLegend",
        "legendDisplay",
        "showPlotValuesInLegend",
        "showXAxisLabels",
    }
    | {"showYAxisLabels", "sidebarDimension", "isSynced", "minYValue", "maxYValue"},
    "RawMessages": TITLE
    | {
        "topicPath",
        "diffEnabled",
        "diffMethod",
        "diffTopicPath",
        "showFullMessageForDiff",
        "expansion",
    },
}
IMAGE_KEYS = {"imageTopic", "calibrationTopic", "annotations", "synchronize", "rotation"}
PATH_KEYS = {"value", "label", "color", "enabled", "timestampMethod", "showLine", "lineSize"}
# decodeImage.ts shows mono8 as it is: class ids would all be black.
SHOWN_AS_COLOURS = {"/image/compressed", "/segmentation/color", "/overlay/compressed"}


def leaves(node):
    return [node] if isinstance(node, str) else leaves(node["first"]) + leaves(node["second"])


def test_every_panel_is_placed_and_configured():
    assert sorted(leaves(LAYOUT["layout"])) == sorted(LAYOUT["configById"])


def test_panels_have_only_keys_their_viewer_knows():
    assert set(LAYOUT) <= LAYOUT_KEYS
    for name, panel in LAYOUT["configById"].items():
        kind = name.partition("!")[0]
        assert set(panel) <= PANEL_KEYS[kind], name
        assert set(panel.get("imageMode", {})) <= IMAGE_KEYS
        assert all(set(path) <= PATH_KEYS for path in panel.get("paths", []))
        assert all(
            path["timestampMethod"] in ("receiveTime", "headerStamp")
            for path in panel.get("paths", [])
        )
        assert panel.get("imageMode", {}).get("imageTopic", "/image/compressed") in SHOWN_AS_COLOURS
        assert panel.get("expansion", "none") in ("all", "none")


@pytest.mark.parametrize("name", RVIZ)
def test_rviz_shows_topics_that_nodes_publish_in_a_quality_they_offer(name):
    manager = RVIZ[name]["Visualization Manager"]
    shown = [d for d in manager["Displays"] if "Topic" in d]
    for display in shown:
        topic, kind = display["Topic"], display["Class"].split("/")[1]
        assert topic["Value"] in RVIZ_TOPICS[kind]
        assert topic["Durability Policy"] == "Volatile"
        if kind in ("Image", "Camera"):  # Best effort hears both kinds of publisher.
            assert topic["Reliability Policy"] == "Best Effort"
            assert topic["Depth"] == 1
    names = [display["Name"] for display in shown]
    assert {"Floor", "Objects", "Zones", "Camera", "Overlay", "Mask"} <= set(names)
    assert manager["Global Options"]["Fixed Frame"] == "base_link"


def test_the_second_rviz_file_draws_into_the_camera_s_image():
    displays = RVIZ["perception_camera.rviz"]["Visualization Manager"]["Displays"]
    (camera,) = [d for d in displays if d["Class"] == "rviz_default_plugins/Camera"]

    assert camera["Visibility"]["Zones"]
    assert camera["Visibility"]["Objects"]


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
    found = Detections(
        np.array([[1, 2, 3, 4]], np.float32), np.ones(1, np.float32), np.array([2], np.int32)
    )
    message = image_annotations(builder(), found, LabelSet(), builder().header(5, "c"))
    store = typestore()
    again = store.deserialize_cdr(store.serialize_cdr(message, ANNOTATIONS), ANNOTATIONS)
    assert [(p.x, p.y) for p in again.points[0].points] == [(1, 2), (3, 2), (3, 4), (1, 4)]
    assert again.points[0].type == 2
    colour = again.points[0].outline_color
    assert [round(255 * value) for value in (colour.r, colour.g, colour.b)] == list(
        LabelSet().colour(2)
    )
