"""No node of ours takes a name that rclpy's Node uses for itself."""

import ast
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node

import mtv_perception.ros

FOLDER = Path(mtv_perception.ros.__file__).parent
BASES = {"Node", "LifecycleNode"}


def classes():
    for path in sorted(FOLDER.rglob("*.py")):
        for item in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            bases = getattr(item, "bases", ())
            if {getattr(base, "id", "") for base in bases} & BASES:
                yield pytest.param(item, id=f"{path.stem}.{item.name}")


def assigned(item):
    """The attributes of self that a class assigns."""
    return {
        node.attr
        for node in ast.walk(item)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and getattr(node.value, "id", "") == "self"
    }


@pytest.mark.parametrize("item", list(classes()))
def test_attributes_are_ours_alone(ros, item):
    is_lifecycle = any(getattr(base, "id", "") == "LifecycleNode" for base in item.bases)
    node = (LifecycleNode if is_lifecycle else Node)("plain", context=ros.context)
    try:
        taken = set(vars(node)) | set(dir(type(node)))
        assert assigned(item) & taken == set()
    finally:
        node.destroy_node()
