"""The Python of docs/reference/topics.md, run as printed against a real perception node."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/topics.md"


@pytest.fixture
def operate(own_graph):
    """Run the page's program, changed by a replacement, beside a node; returns what it prints."""
    own_graph.start()
    (program,) = re.findall(
        r"### Without the ros2 command\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL
    )

    def run(old="", new=""):
        assert old in program
        arguments = ["--ros-args", "-r", f"__ns:={own_graph.namespace}"]
        environment = {**os.environ, "ROS_DOMAIN_ID": str(own_graph.domain)}
        command = [sys.executable, "-c", program.replace(old, new), *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout

    return run


@pytest.mark.parametrize(
    ("value", "taken"), [("value=0.3", "successful=True"), ("value=-1.0", "successful=False")]
)
def test_parameters_and_services_are_reached_without_the_ros2_command(operate, value, taken):
    parameter, service = operate("value=0.3", value).splitlines()

    assert taken in parameter
    assert "success=True" in service
