"""What the package finds around it.

Its files that are no modules, the memory of a process, and what libraries print.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

SOURCE_ROOT = Path(__file__).resolve().parents[1]
STREAM = "a pipe, a socket or a device"
LFS_POINTER = "a Git LFS pointer; fetch the file: git lfs pull"
LFS_START = b"version https://git-lfs"
"""How the text begins that Git leaves in place of a large file that was not fetched."""


def share_folders(package: str) -> list[Path]:
    """The share folders of a ROS package.

    Beside this installation, of the environment, and of the sourced prefixes.
    """
    prefixes = [Path(sys.prefix)]
    # Installed: <prefix>/lib/pythonX.Y/site-packages/mtv_perception, or into one folder.
    prefixes += [*SOURCE_ROOT.parents[1:3], SOURCE_ROOT]
    prefixes += [
        Path(item) for item in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if item
    ]
    found = [prefix / "share" / package for prefix in prefixes]
    return [
        folder
        for index, folder in enumerate(found)
        if folder.is_dir() and folder not in found[:index]
    ]


def memory_mb(pid: int | str = "self", field: str = "VmRSS") -> float:
    """Memory of a process, MiB; 0 where the system does not say (other than Linux).

    Args:
        pid: of the process, by default this one.
        field: a line of /proc/PID/status: VmRSS is what is resident, VmHWM the most that ever was.
    """
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.is_file() else []
    found = [line for line in lines if line.startswith(f"{field}:")]
    return round(int(found[0].split()[1]) / 1024, 2) if found else 0.0


@contextmanager
def stderr_without(noise: re.Pattern[str]) -> Iterator[None]:
    """Hold back what compiled code writes to file descriptor 2, then pass it on without some lines.

    Args:
        noise: matches the beginning of lines that are dropped.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        stderr = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            kept.seek(0)
            lines = kept.read().decode(errors="replace").splitlines(True)
            sys.stderr.write("".join(line for line in lines if not noise.match(line)))


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A file to write, which takes the place of `path` at the end: whole or not at all.

    Where the disk is full the old file stays. A link is followed, and a device such as /dev/stdout
    is written to. For a file that grows line by line, see `named_errors`.

    Raises:
        OSError: names the file.
    """
    real = Path(os.path.realpath(path))
    # /dev/stdout may be a file: that of a redirection, which others write to as well.
    is_direct = is_stream(path) or path.parts[:2] in (("/", "dev"), ("/", "proc"))
    # Short, for the file's own name may be the longest that there is. Readers skip hidden files.
    written = path if is_direct else real.with_name(f".{uuid4().hex}.part{real.suffix}")
    try:
        yield written
        if not is_direct:
            os.replace(written, real)
    except OSError as error:
        if error.errno is None:  # Libraries raise it with their own text alone.
            raise OSError(f"{path}: {error}") from error
        if error.filename in (None, str(written)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        if not is_direct:
            with suppress(OSError):  # Mostly it is not there any more.
                written.unlink()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file as `whole_file`; text in UTF-8."""
    with whole_file(path) as written:
        written.write_bytes(content.encode() if isinstance(content, str) else content)


def is_lfs_pointer(content: bytes) -> bool:
    """Whether the content, or the beginning, of a file is an `LFS_POINTER`."""
    return content.startswith(LFS_START)


def pointer_hint(path: Path) -> str:
    """What to add to an error about a file that can't be read; empty unless it is an `LFS_POINTER`."""
    try:
        with path.open("rb") as file:
            return f"; it is {LFS_POINTER}" if is_lfs_pointer(file.read(len(LFS_START))) else ""
    except OSError:
        return ""


def is_stream(path: Path) -> bool:
    """Whether a path is one of `STREAM`, where reading may wait for ever."""
    return path.exists() and not (path.is_file() or path.is_dir())


def take_alone(file: IO[Any]) -> bool:
    """Whether this process alone may write an open file from now on, until it is closed.

    True also where the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def is_taken(path: Path) -> bool:
    """Whether a process holds a file by `take_alone`."""
    with path.open("rb") as file:
        return not take_alone(file)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Give errors of the system the name of the file, which a failed write or close lacks.

    For a file that grows while it is open; `whole_file` writes one at once.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise
