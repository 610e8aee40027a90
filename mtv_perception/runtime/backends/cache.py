"""The user's cache folder (XDG). A cache that can't be used costs time and is no error."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

_NAME = "mtv_perception"
_LARGEST_BYTES = 1 << 20


def cache_folder() -> Path | None:
    """Our folder in the user's cache, made where it is missing; None where it can't be written."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        # The specification: a relative path is to be ignored.
        base = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
        folder = base / _NAME
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    return folder if os.access(folder, os.W_OK | os.X_OK) else None


def read_entry(file: str, key: str) -> Any:
    """What was kept under a key; None where nothing was, or the file is not readable."""
    return _read(file).get(key)


def write_entry(file: str, key: str, value: Any) -> None:
    """Keep a JSON value under a key; without a writable cache nothing happens."""
    folder = cache_folder()
    if folder is None:
        return
    part = folder / f".{file}.{uuid4().hex}.part"
    try:
        part.write_text(json.dumps(_read(file) | {key: value}, indent=1), encoding="utf-8")
        part.replace(folder / file)
    except OSError:
        part.unlink(missing_ok=True)


def _read(file: str) -> dict[str, Any]:
    folder = cache_folder()
    try:
        if folder is None or (folder / file).stat().st_size > _LARGEST_BYTES:
            return {}
        found = json.loads((folder / file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
