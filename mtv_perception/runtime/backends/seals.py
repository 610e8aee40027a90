"""SHA-256 files beside OpenVINO's compiled models.

OpenVINO loads a damaged blob without an error and then computes wrong results. A cache may cost
time, never correctness.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator
from pathlib import Path

_BLOBS, _SEAL, _LOCK = "*.blob", ".sha256", ".openvino.lock"


@contextlib.contextmanager
def sealed(folder: Path | None) -> Iterator[Path | None]:
    """The folder for what is compiled inside the context.

    Blobs that are not what was sealed are removed before, and new ones are sealed after it.

    Args:
        folder: of the blobs; None for none.

    Yields:
        The folder; None where another process compiles there, or a blob can't be removed.
    """
    with contextlib.ExitStack() as stack:
        if folder is None or not _is_ours(folder, stack) or not _drop_unsealed(folder):
            yield None
            return
        yield folder
        _seal(folder)


def _is_ours(folder: Path, stack: contextlib.ExitStack) -> bool:
    """Whether no other process uses the folder until the stack is closed."""
    try:
        lock = stack.enter_context((folder / _LOCK).open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _drop_unsealed(folder: Path) -> bool:
    """Remove blobs that are not what was sealed; False where one stays."""
    try:
        for blob in folder.glob(_BLOBS):
            if _read(_seal_of(blob)) != _checksum(blob):
                _seal_of(blob).unlink(missing_ok=True)
                blob.unlink()
    except OSError:
        return False
    return True


def _seal(folder: Path) -> None:
    """Write the checksum of each blob that has none; a full disk costs the next start its time."""
    for blob in folder.glob(_BLOBS):
        if not _seal_of(blob).is_file():
            part = blob.with_name(f".{blob.name}{_SEAL}")
            with contextlib.suppress(OSError):
                part.write_text(_checksum(blob), encoding="ascii")
                part.replace(_seal_of(blob))


def _seal_of(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}{_SEAL}")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def _checksum(blob: Path) -> str:
    return hashlib.sha256(blob.read_bytes()).hexdigest()
