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
