"""A robot runs with the LiteRT interpreter alone."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ABSENT = ("tensorflow", "keras", "rclpy", "matplotlib", "pycocotools", "jax", "torch")


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("module", ["mtv_perception.runtime", "mtv_perception.media.encodings"])
def test_importing_the_runtime_imports_no_framework(module):
    done = run(f"import sys, {module}; print([m for m in {ABSENT!r} if m in sys.modules])")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_a_model_runs_where_no_framework_is_installed(tiny_folder):
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({ABSENT!r}))\n"  # None makes an import fail.
        "import numpy as np\n"
        "from mtv_perception.runtime import Perceiver, load_artefact\n"
        "result = Perceiver(load_artefact(sys.argv[1]))(np.zeros((20, 30, 3), np.uint8))\n"
        "print(result.segmentation.class_ids.shape)\n"
    )

    done = run(code, tiny_folder)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(20, 30)"
