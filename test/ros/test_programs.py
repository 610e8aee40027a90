"""Every node program has its executable, and all of them begin alike."""

from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs a ROS 2")

from mtv_perception.ros.process.main import PROGRAMS

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_has_an_executable_that_starts_it(name):
    model = (SCRIPTS / "zones_node").read_text()
    script = SCRIPTS / name

    assert script.read_text() == model.replace("zones_node", name)
    assert script.stat().st_mode & 0o111


def test_every_executable_is_a_program():
    assert {path.name for path in SCRIPTS.glob("*_node")} == set(PROGRAMS)
