import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def package_xml():
    return ElementTree.parse(ROOT / "package.xml").getroot()


def test_all_manifests_name_the_same_version():
    version = package_xml().findtext("version")
    project = re.search(r'^version = "(.+?)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    module = re.search(r'^__version__ = "(.+?)"', (ROOT / "mtv_perception/__init__.py").read_text(), re.MULTILINE)

    assert (project[1], module[1]) == (version, version)


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
