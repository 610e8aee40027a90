"""The SROS2 policy allows exactly what the nodes do."""

import importlib
import os
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.parameter import Parameter

from mtv_perception.errors import ArtefactError
from mtv_perception.ros.process.main import PROGRAMS
from mtv_perception.ros.process.processes import start_node, stop_node
from mtv_perception.runtime.models import find_model

ROOT = Path(__file__).resolve().parents[3]
# Created only with certain parameters, or where foxglove_msgs is installed.
OPTIONAL = {
    "/image/compressed",
    "/camera_info",
    "/segmentation/camera_info",
    "/clock",
    "/image_annotations",
    # With bondpy, where a lifecycle manager manages the node.
    "/bond",
    "/image",
    "/depth/image",
    "/overlay",
    "/overlay/compressed",
    "/tf",
    "/tf_static",
}


def allowed(node):
    """Names by what a node may do with them."""
    policy = ElementTree.parse(ROOT / "config/sros2/policy.xml")
    profile = next(item for item in policy.iter("profile") if item.get("node") == node)
    found = {"publish": set(), "subscribe": set(), "reply": set()}
    for group in profile:
        (action,) = (key for key, value in group.attrib.items() if value == "ALLOW")
        for item in group:
            name = item.text.replace("~", f"/{node}")
            found[action].add(name if name.startswith("/") else f"/{name}")
    return found


def used(client, node, namespace):
    """The same of a running node, without its namespace."""
    found = {
        "publish": client.get_publisher_names_and_types_by_node(node, namespace),
        "subscribe": client.get_subscriber_names_and_types_by_node(node, namespace),
        "reply": client.get_service_names_and_types_by_node(node, namespace),
    }
    return {
        action: {name.removeprefix(namespace) for name, _ in names}
        for action, names in found.items()
    }


def settled(client, node, namespace):
    """What a node uses once that has not changed for two seconds."""
    end, seen, since = time.monotonic() + 60, None, time.monotonic()
    while time.monotonic() < end:
        now = (
            used(client, node, namespace)
            if (node, namespace) in client.get_node_names_and_namespaces()
            else None
        )
        if now != seen:
            seen, since = now, time.monotonic()
        if seen and all(seen.values()) and time.monotonic() - since > 2:
            return seen
        time.sleep(0.2)
    raise AssertionError(f"{node} did not appear within 60 s, last seen: {seen}")


def compare(node, seen):
    for action, names in allowed(node).items():
        assert seen[action] - names == set(), f"{node}: not allowed to {action}"
        assert names - seen[action] <= OPTIONAL, f"{node}: allowed to {action} without need"


def test_the_zones_node_needs_what_it_is_allowed(stage):
    stage.start(ROOT / "config" / "zones.yaml")

    compare("zones", settled(stage.node, "zones", stage.namespace))


def test_the_perception_node_needs_what_it_is_allowed(stage, tmp_path):
    try:
        model = os.environ.get("MTV_TEST_MODEL") or str(find_model("warehouse"))
    except ArtefactError as error:
        pytest.skip(f"no model to run: {error}")
    environment = {"ROS_DOMAIN_ID": str(stage.domain), "ROS_LOG_DIR": str(tmp_path)}
    with (tmp_path / "log").open("w") as log:
        process = start_node(
            "perception_node",
            {"model": model, "anonymise": True},
            remap={"__ns": stage.namespace},
            environment=environment,
            output=log,
        )
        try:
            compare("perception", settled(stage.node, "perception", stage.namespace))
        finally:
            stop_node(process)


TOOLS = {
    "ranging": {},
    "recorder": {"anonymise": True},
    "state_log": {"file": "states.jsonl"},
    "web_view": {"port": 0},
    "image_replay": {"source": str(ROOT / "docs/media/people.mp4"), "clock": True},
}


@pytest.mark.parametrize("name", TOOLS)
def test_the_other_nodes_need_what_they_are_allowed(ros, tmp_path, monkeypatch, name):
    """In this process: a node sees its own topics at once."""
    monkeypatch.chdir(tmp_path)
    module, _, kind = PROGRAMS[f"{name}_node"].node.partition(":")
    parameters = [Parameter(key, value=value) for key, value in TOOLS[name].items()]
    namespace = f"/policy_{name}"
    node = getattr(importlib.import_module(module), kind)(
        context=ros.context, namespace=namespace, parameter_overrides=parameters
    )
    try:
        compare(name, used(node, name, namespace))
    finally:
        getattr(node, "close", int)()
        node.destroy_node()


def test_every_node_has_an_enclave():
    policy = ElementTree.parse(ROOT / "config/sros2/policy.xml")
    paths = {item.get("path").rpartition("/")[2] for item in policy.iter("enclave")}
    assert paths == {program.removesuffix("_node") for program in PROGRAMS}
