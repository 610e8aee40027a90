"""Going on where a replay was cut off.

What its unfinished bag holds is taken over, not computed again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtv_perception.bags.reader import BagSource
from mtv_perception.bags.storage import RawMessage
from mtv_perception.bags.writer import refuse_written, to_yaml
from mtv_perception.config import read_yaml
from mtv_perception.errors import ConfigError, ReplayError
from mtv_perception.resources import write_whole

STATE_FILE = "replay.yaml"
DONE, RUNNING = "done", "running"
_AGAIN = "replay it again with --overwrite"


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Write what a replay did, or is doing, beside its bag; all or nothing."""
    write_whole(folder / STATE_FILE, to_yaml(state))


def read_state(folder: Path) -> dict[str, Any] | None:
    """What a replay wrote there; None where there is no replay."""
    if not (folder / STATE_FILE).is_file():
        return None
    try:
        state = read_yaml(folder / STATE_FILE)
    except ConfigError as error:
        raise ReplayError(f"{error}; {_AGAIN}.") from error
    if not isinstance(state, dict) or "state" not in state:
        raise ReplayError(
            f"{folder / STATE_FILE}: expected a mapping with state, got {state!r}; {_AGAIN}."
        )
    return state


def check_finished(folder: Path) -> None:
    """Raise ReplayError where the bag of a finished replay has lost something since."""
    try:
        with BagSource(folder) as bag:
            damage = bag.damage
    except ReplayError as error:
        raise ReplayError(f"{error}; {_AGAIN}.") from error
    if damage:
        raise ReplayError(
            f"{folder}: expected a finished bag, found a damaged one: {damage}; {_AGAIN}."
        )


def check_same(folder: Path, state: dict[str, Any], settings: dict[str, Any]) -> None:
    """Raise ReplayError where a replay was made with other settings than those given."""
    changed = [key for key, value in settings.items() if state.get(key) != value]
    if changed:
        key = changed[0]
        if key == "files":
            raise ReplayError(
                f"{folder}: expected the files that the replay to go on with was made of, found others: "
                f"a name, a size or the content differs; {_AGAIN}."
            )
        raise ReplayError(
            f"{folder}: expected a replay with {key} {settings[key]!r} to go on with, got one with "
            f"{state.get(key)!r}; {_AGAIN}."
        )


def unfinished_folder(folder: Path) -> Path:
    """Where an unfinished bag lies while it is continued in `folder`."""
    return folder.with_name(f".{folder.name}.unfinished")


def set_aside(folder: Path, settings: dict[str, Any]) -> Path | None:
    """Move an unfinished bag out of the way of its continuation, to be read from there.

    A continuation that was itself cut off has left two: the one that got further is kept.

    Args:
        folder: of the bag.
        settings: of the replay that wants to go on.

    Returns:
        Where it is now; None where there was none.
    """
    aside = unfinished_folder(folder)
    found = [item for item in (folder, aside) if read_state(item) is not None]
    for item in found:
        refuse_written(item)
        check_same(folder, read_state(item) or {}, settings)
    if not found:
        return None
    best = max(found, key=lambda item: sum(file.stat().st_size for file in item.glob("*.mcap")))
    if best == folder:
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return aside


class Unfinished:
    """The frames of an unfinished bag, in the order they were written.

    Args:
        folder: of the bag.
        cameras: camera name by its detections topic.
        input_topics: topics that were copied from the input; a frame's copy precedes its
            detections.
    """

    def __init__(self, folder: Path, cameras: dict[str, str], input_topics: set[str]) -> None:
        self._folder, self._cameras, self._inputs = folder, cameras, input_topics
        self._frames = self._whole_frames()
        self._next = next(self._frames, None)

    def take(self, camera: str, log_ns: int) -> list[RawMessage] | None:
        """The messages of a frame, if it is the next one in the unfinished bag."""
        if self._next is None or self._next[0] != (camera, log_ns):
            return None
        messages = self._next[1]
        self._next = next(self._frames, None)
        return messages

    def _whole_frames(self) -> Iterator[tuple[tuple[str, int], list[RawMessage]]]:
        """All but the last frame, which may lack messages."""
        key: tuple[str, int] | None = None
        messages: list[RawMessage] = []
        try:
            with BagSource(self._folder) as bag:
                for message in bag.messages(bag.counts):
                    if message.msgtype.startswith(
                        ("vision_msgs/msg/LabelInfo", "vision_msgs/msg/VisionInfo")
                    ):
                        continue
                    begins = message.topic in self._inputs or (
                        message.topic in self._cameras and not _only_input(messages, self._inputs)
                    )
                    if begins:
                        if key is not None:
                            yield key, messages
                        key, messages = None, []
                    messages.append(message)
                    if message.topic in self._cameras:
                        key = (self._cameras[message.topic], message.log_ns)
        except ReplayError:  # Cut off before anything was whole.
            return


def _only_input(messages: list[RawMessage], inputs: set[str]) -> bool:
    return len(messages) == 1 and messages[0].topic in inputs
