"""What a run was made with: revision, versions, machine, first weights."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import mtv_perception
from mtv_perception.config import read_record
from mtv_perception.data.sample import Dataset, fingerprint
from mtv_perception.errors import ConfigError
from mtv_perception.resources import write_whole
from mtv_perception.yaml_text import format_yaml

RUN_FILE, _DATA_FILE, _INITIAL_FILE = "run.yaml", "images.yaml", "initial.yaml"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def describe_run() -> dict[str, Any]:
    """Git revision, package versions, machine and command line."""
    backend = keras.backend.backend()
    return {
        "revision": _git("rev-parse", "HEAD"),
        "changed_files": len(_git("status", "--porcelain").splitlines()),
        "command": sys.argv,
        "mtv_perception": mtv_perception.__version__,
        backend: str(sys.modules[backend].__version__),
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()} {platform.processor()}".strip(),
    }


def note_run(folder: Path) -> None:
    """Write `run.yaml`: what the run is made with."""
    write_whole(folder / RUN_FILE, format_yaml(describe_run()))


def note_data(folder: Path, datasets: Sequence[Dataset]) -> None:
    """Write `images.yaml`: what tells these images and labels from others."""
    text = format_yaml({"images": _count(datasets), "sha256": fingerprint(datasets)})
    write_whole(folder / _DATA_FILE, text)


def check_data(folder: Path, datasets: Sequence[Dataset]) -> None:
    """Raise ConfigError where a run began with other images or labels; older runs noted none."""
    path = folder / _DATA_FILE
    if not path.is_file():
        return
    begun = read_record(path, "images", "sha256")
    if begun["sha256"] != fingerprint(datasets):
        raise ConfigError(
            f"{path}: expected the images and labels that the run began with ({begun['images']}), got "
            f"others ({_count(datasets)}); begin a new run, from its weights with `initial: RUN`."
        )


def _count(datasets: Sequence[Dataset]) -> int:
    return sum(map(len, datasets))


def note_initial(folder: Path, file: Path) -> None:
    """Write `initial.yaml`: the file that the first weights came from, and its SHA-256."""
    about = {"file": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    write_whole(folder / _INITIAL_FILE, format_yaml(about))


def check_initial(run: Path, again: Path) -> None:
    """Raise ConfigError where two folders of one configuration began with different weights.

    Older runs noted none.

    Args:
        run: a run folder.
        again: a folder that just began with the same configuration.
    """
    files = [folder / _INITIAL_FILE for folder in (run, again)]
    if not all(file.is_file() for file in files):
        return
    begun, now = (read_record(file, "file", "sha256") for file in files)
    if begun["sha256"] != now["sha256"]:
        raise ConfigError(
            f"{files[0]}: expected the first weights that the run began with, SHA-256 {begun['sha256']}, got "
            f"{now['file']} of {now['sha256']}; put the old file back, or average without --start."
        )
