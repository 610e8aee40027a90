"""What OpenVINO has compiled, kept with a checksum: a cache may cost time, never correctness.

OpenVINO loads a damaged blob without a word, and computes something else.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

_BLOBS, _SEAL = "*.blob", ".sha256"


def drop_unsealed(folder: Path) -> None:
    """Remove blobs that are not what was sealed, so that they are compiled again."""
    for blob in folder.glob(_BLOBS):
        with contextlib.suppress(OSError):  # Another process has removed it.
            if _read(_seal_of(blob)) != _checksum(blob):
                blob.unlink()


def seal(folder: Path) -> None:
    """Write the checksum of each blob that has none."""
    for blob in folder.glob(_BLOBS):
        with contextlib.suppress(OSError):  # A full disk: it is compiled again.
            if not _seal_of(blob).is_file():
                part = blob.with_name(f".{blob.name}{_SEAL}")
                part.write_text(_checksum(blob), encoding="ascii")
                part.replace(_seal_of(blob))
    for file in folder.glob(f"{_BLOBS}{_SEAL}"):
        if not file.with_suffix("").is_file():
            file.unlink(missing_ok=True)


def _seal_of(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}{_SEAL}")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def _checksum(blob: Path) -> str:
    return hashlib.sha256(blob.read_bytes()).hexdigest()
