"""A model's first run, in a child process.

A broken model can crash, hang or eat memory there without harm.

Models that passed are remembered for the versions of LiteRT and OpenVINO that ran them, so that a
start with a known model does not pay for the child process.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from mtv_perception.errors import ArtefactError, ConfigError, MtvError
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.runtime.artefact import Artefact, load_artefact
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.backends.config import OPENVINO
from mtv_perception.runtime.backends.open import usable_engines
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.self_test import check_outputs
from mtv_perception.runtime.settings import PerceiverConfig

# Address space of the child: far above what a network of this package needs (0.5 GB), far below a
# robot's end.
_CHILD_BYTES = 4 * 1024**3
_POLL_SECONDS = 0.005
_KEPT_REASON = 500


def try_in_child(
    artefact: Artefact,
    engine: EngineConfig,
    timeout: float,
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Load, run and self-test an artefact in a child process, unless it passed before.

    Args:
        artefact: already verified.
        engine: that will run the network.
        timeout: seconds.
        meanwhile: called again and again until the child has ended.

    Raises:
        ArtefactError: the child was refused the model, crashed, or did not end in time.
    """
    record = _record_file(artefact, engine)
    if record is not None and record.is_file():
        return
    command = [sys.executable, "-m", "mtv_perception.runtime.trial"]
    command += [str(artefact.folder.absolute()), artefact.digest, str(timeout)]
    command += [str(engine.num_threads), engine.backend, engine.device]
    paths = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    paths = [str(SOURCE_ROOT), *map(os.path.abspath, paths)]
    child = subprocess.Popen(
        command,
        # `python -m` imports from its working folder first, such as a json.py or an openvino/ there.
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with child:
        _wait(child, timeout, meanwhile or (lambda: None))
        output = child.stdout.read() if child.stdout else b""
    reason = _reason(child.returncode, output, timeout)
    if reason:
        raise ArtefactError(f"{artefact.folder}: {reason}")
    if record is not None:
        with contextlib.suppress(OSError):  # It only saves time at the next start.
            record.parent.mkdir(parents=True, exist_ok=True)
            record.touch()


def _wait(child: subprocess.Popen[bytes], timeout: float, meanwhile: Callable[[], None]) -> None:
    end = time.monotonic() + timeout
    try:
        while child.poll() is None and time.monotonic() < end:
            meanwhile()
            time.sleep(_POLL_SECONDS)
    finally:
        if child.poll() is None:
            child.kill()


def _reason(status: int, output: bytes, timeout: float) -> str:
    """Why the model is refused; empty if it passed."""
    if status == -signal.SIGKILL:
        return (
            f"its test in a child process did not end within {timeout:g} s, or used too much memory"
        )
    if status < 0:
        name = signal.Signals(-status).name
        return (
            f"the model crashes the network's library ({name} in a child process); export it again"
        )
    try:
        answer = json.loads(output)
        return str(answer["error"])[:_KEPT_REASON]
    except (ValueError, KeyError, TypeError):
        return f"its test in a child process ended with status {status} and no answer"


def _record_file(artefact: Artefact, engine: EngineConfig) -> Path | None:
    """The file whose existence says that this content passed here; None without a place for it."""
    home = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("HOME", "") and "~/.cache")
    try:
        libraries = version("ai-edge-litert"), _openvino_version(artefact)
        folder = Path(home).expanduser() if home else None
    except (PackageNotFoundError, RuntimeError):
        return None
    if folder is None or not folder.is_absolute():
        return None
    name = "-".join(
        (
            artefact.digest,
            platform.machine(),
            *libraries,
            engine.backend,
            Path(engine.device).name,
        )
    )
    return folder / "mtv_perception" / "tested" / name


def _openvino_version(artefact: Artefact) -> str:
    """Of OpenVINO, where it is installed and the model folder has files for it."""
    if OPENVINO not in usable_engines(artefact.files):
        return "none"
    try:
        return version("openvino")
    except PackageNotFoundError:
        return "?"


def open_tested(artefact: Artefact, config: PerceiverConfig) -> Perceiver:
    """Open an artefact in this process and compare what it computes; see `check_outputs`.

    Raises:
        ArtefactError: it can't be opened, or computes something else.
        ConfigError: the settings do not fit its classes.
    """
    try:
        perceiver = Perceiver(artefact, config)
    except ValueError as error:
        raise ConfigError(f"{artefact.folder}: {error}") from error
    height, width = perceiver.spec.size_hw
    try:
        check_outputs(perceiver, (height, width), artefact.golden)
        result = perceiver(np.full((height, width, 3), 127, np.uint8))
    except ArtefactError as error:
        raise ArtefactError(f"{artefact.folder}: {error}") from error
    except (ValueError, RuntimeError, IndexError) as error:
        raise ArtefactError(f"{artefact.folder}: self-test failed: {error}") from error
    if not np.isfinite(result.detections.boxes_xyxy).all():
        raise ArtefactError(f"{artefact.folder}: self-test failed: expected finite boxes.")
    return perceiver


def _try_here(folder: str, digest: str, config: PerceiverConfig) -> str:
    """In the child: "" or what is wrong."""
    try:
        artefact = load_artefact(folder)
        if artefact.digest != digest:
            return "its files changed while they were read"
        open_tested(artefact, config)
    except MtvError as error:
        return str(error).removeprefix(f"{folder}: ")
    except MemoryError:
        return "it needs too much memory"
    except Exception as error:  # Whatever it is, the model is not fit for use.
        return f"{type(error).__name__}: {error}"
    return ""


def main(arguments: list[str]) -> int:
    """The child process: FOLDER DIGEST TIMEOUT THREADS BACKEND DEVICE."""
    folder, digest, timeout, threads, backend, device = arguments
    config = PerceiverConfig(num_threads=int(threads), backend=backend, device=device)
    resource.setrlimit(resource.RLIMIT_AS, (_CHILD_BYTES, _CHILD_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(int(float(timeout)) + 1)  # Where the parent is gone.
    answer = json.dumps({"error": _try_here(folder, digest, config)})
    sys.stdout.write(answer)
    sys.stdout.flush()
    # Not through the destructors of libraries: the answer is out.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
