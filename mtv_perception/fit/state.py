"""What a fit has finished, in `fit.json`, so that an interrupted one goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mtv_perception.errors import ConfigError
from mtv_perception.fit.options import FitOptions
from mtv_perception.resources import write_whole

STATE_FILE = "fit.json"
_NO_RECORD = "expected the record of a fit; begin again with another --out"
_NAMED_OTHERWISE = {
    "data": "data set",
    "sources": "--from",
    "minutes": "--budget",
    "size_hw": "--size",
}


class FitState:
    """The record of a fit in its folder.

    Args:
        options: of this call; they must be those that the folder's fit began with.

    Raises:
        ConfigError: the folder holds another fit, or a model that no fit made.
    """

    def __init__(self, options: FitOptions) -> None:
        self._path = options.out / STATE_FILE
        wanted = _plain(options)
        if self._path.is_file():
            self.record: dict[str, Any] = _read(self._path)
            changed = [k for k, v in wanted.items() if self.record["options"].get(k) != v]
            if changed and not self.record["done"]:  # It has never read its data to the end.
                self.record["options"] = wanted
            elif changed:
                begun = self.record["options"]
                named = "; ".join(
                    f"{on_command_line(k)} was {begun.get(k)!r}, is {wanted[k]!r}" for k in changed
                )
                raise ConfigError(
                    f"{options.out}: expected the options that its fit began with, got others: {named}; "
                    "give these again, or choose another --out."
                )
        elif options.out.exists() and any(options.out.iterdir()):
            raise ConfigError(
                f"{options.out}: expected a new folder or one of a fit, found files without {STATE_FILE}."
            )
        else:
            self.record = {"options": wanted, "done": {}}

    def begin(self) -> None:
        """Write the file, so that the folder counts as this fit's from its first file on."""
        self._write()

    def check_data(self, found: str, has_trained: bool) -> None:
        """Note the fingerprint of the data, or compare it once training has begun.

        Raises:
            ConfigError: images or labels have changed since then.
        """
        noted = self.record.get("data")
        if has_trained and noted and noted != found:
            raise ConfigError(
                f"{self._path.parent}: expected the images and labels that its fit began with, they have "
                "changed since; choose another --out."
            )
        self.record["data"] = noted if has_trained and noted else found
        self._write()

    def is_done(self, stage: str) -> bool:
        """Whether a stage was finished, in this call or before."""
        return stage in self.record["done"]

    def result(self, stage: str) -> dict[str, Any]:
        """What a finished stage found."""
        return dict(self.record["done"][stage])

    def finish(self, stage: str, result: dict[str, Any]) -> None:
        """Note a stage and write the file, whole or not at all."""
        self.record["done"][stage] = result
        self._write()

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self._path, json.dumps(self.record, indent=2) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        record: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path}: {_NO_RECORD}, could not read it: {error}") from error
    parts = [record.get(key) for key in ("options", "done")] if isinstance(record, dict) else []
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise ConfigError(f"{path}: {_NO_RECORD}, found another content.")
    return dict(record)


def on_command_line(name: str) -> str:
    """What `mtv fit` calls a field of FitOptions."""
    return _NAMED_OTHERWISE.get(name, f"--{name}")


def _plain(options: FitOptions) -> dict[str, Any]:
    """The options as JSON gives them back."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(options), default=str))
    return plain
