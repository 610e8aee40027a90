import ast
import datetime
import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def assigned(name, path):
    return re.search(rf'^{name} = "(.+?)"', (ROOT / path).read_text(), re.MULTILINE)[1]


def test_all_manifests_name_the_same_version():
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")

    assert assigned("__version__", "mtv_perception/__init__.py") == version


def test_the_changelog_begins_with_the_version_and_its_date():
    """As catkin's and ROS' release tools read it."""
    changelog = (ROOT / "CHANGELOG.rst").read_text()
    version, date, line = re.search(
        r"^(\d+\.\d+\.\d+) \((\d{4}-\d{2}-\d{2})\)\n(-+)$", changelog, re.MULTILINE
    ).groups()

    assert version == assigned("__version__", "mtv_perception/__init__.py")
    assert len(line) == len(f"{version} ({date})")
    assert datetime.date.fromisoformat(date)
    assert "Forthcoming" not in changelog


def test_a_robots_own_vision_msgs_wins():
    assert (ROOT / "third_party/COLCON_IGNORE").exists()


def test_every_message_is_generated():
    listed = re.findall(r"msg/\w+\.msg", (ROOT / "CMakeLists.txt").read_text())

    assert sorted(listed) == sorted(f"msg/{path.name}" for path in (ROOT / "msg").glob("*.msg"))


def test_the_source_tree_has_no_module_in_the_place_of_the_messages():
    assert not (ROOT / "mtv_perception/msg").exists()
    assert not (ROOT / "mtv_perception/msg.py").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*")), ids=lambda path: path.name)
def test_scripts_can_be_executed(path):
    sourced_only = path.name == "env.sh"

    assert os.access(path, os.X_OK) != sourced_only


ROS_PACKAGE = re.compile(r"\w+_(msgs|srvs|interfaces)|rclpy|launch|launch_ros|ament_\w+|tf2_\w+")
SOURCES = [*(ROOT / "mtv_perception").rglob("*.py"), *(ROOT / "launch").glob("*.py")]


def imported_packages(text):
    """The top-level names of every import, those inside of functions too."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found


def declared_packages(*kinds):
    tree = ElementTree.parse(ROOT / "package.xml")
    return {item.text for kind in kinds for item in tree.iterfind(kind)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import rclpy.node", {"rclpy"}),
        ("def f():\n    from nav_msgs.msg import OccupancyGrid", {"nav_msgs"}),
        ("from . import b\nimport a.b, c", {"a", "c"}),
    ],
)
def test_how_imports_are_read(text, found):
    assert imported_packages(text) == found


def test_every_ros_package_that_is_imported_is_installed_with_the_package():
    """Rosdep installs what package.xml names; what a robot has by chance is no reason."""
    imported = {
        name
        for path in SOURCES
        for name in imported_packages(path.read_text(encoding="utf-8"))
        if ROS_PACKAGE.fullmatch(name)
    }

    assert "nav_msgs" in imported
    assert imported - declared_packages("depend", "exec_depend") == set()
