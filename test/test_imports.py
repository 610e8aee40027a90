"""Every module can be imported, and the light ones stay light."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOT_LIGHT = ("tensorflow", "keras", "rclpy", "matplotlib", "rosbags")

EVERY_MODULE = """
import importlib, pathlib
for path in sorted(pathlib.Path("mtv_perception").rglob("*.py")):
    parts = path.with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Not all of what can be installed is installed everywhere; but our own modules are.
        if error.name.startswith("mtv_perception") and not error.name.startswith("mtv_perception.msg"):
            raise
        print("without", error.name, name)
"""


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=280
    )


def test_every_module_can_be_imported():
    done = run(EVERY_MODULE)

    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    "module",
    [
        "mtv_perception",
        "mtv_perception.cli.main",
        "mtv_perception.geometry.nms",
        "mtv_perception.config",
    ],
)
def test_light_modules_import_nothing_heavy(module):
    done = run(
        f"import sys, {module}; print([name for name in {NOT_LIGHT!r} if name in sys.modules])"
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_package_has_a_version():
    import mtv_perception

    assert mtv_perception.__version__.count(".") == 2
