"""The model in service: called by the worker.

Replaced between two frames by one that was tested.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from mtv_perception.errors import MtvError
from mtv_perception.ros.perception.config import Settings
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.runtime.loading import load_perceiver
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig

Done = Callable[[str], None]
# A loading thread that never returns keeps a copy of the model in memory.
_MOST_LEFT_BEHIND = 3
# The test in a child process has a limit of its own; loading after it takes a part of that time.
_LOADS_OF_TIMEOUT = 2


@dataclass
class _Load:
    """One load, and who waits for it."""

    settings: Settings | None
    waiting: list[Done] = field(default_factory=list)
    begun_at: float = 0.0


class ModelSlot:
    """The perceiver in service.

    One model is loaded at a time, in a thread of its own; one more load may wait, and requests
    meanwhile join that one with the newest settings. `collect` and the calls of `done` belong to
    the executor's thread.

    Args:
        settings: which model and how to read it.
        wake: called by the loading thread when there is something to collect.
        meanwhile: called again and again while the first model is tested.

    Raises:
        ArtefactError, ConfigError: see load_perceiver.
    """

    def __init__(
        self,
        settings: Settings,
        wake: Callable[[], None] = lambda: None,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        self._perceiver = load_perceiver(settings.node.source, settings.perceiver, meanwhile)
        self._in_service = settings
        self._config: PerceiverConfig = settings.perceiver
        self._version = self._perceiver.spec.version
        self._lock = threading.Lock()
        self._wake = wake
        self._running: _Load | None = None
        self._next: _Load | None = None
        self._finished: queue.SimpleQueue[tuple[_Load, Settings, Perceiver | Exception]]
        self._finished = queue.SimpleQueue()
        self._left_behind: list[threading.Thread] = []
        self._thread: threading.Thread | None = None

    @property
    def spec(self) -> ModelSpec:
        """Of the model in service."""
        return self._perceiver.spec

    @property
    def backend(self) -> str:
        """The engine that runs the model in service, and why where that was measured."""
        return self._perceiver.engine

    @property
    def version(self) -> int:
        """The model's own version; rises with every reload."""
        return self._version

    @property
    def is_loading(self) -> bool:
        """Whether a model is being loaded."""
        return self._running is not None

    def configure(self, config: PerceiverConfig) -> None:
        """Take over settings before the next frame."""
        with self._lock:
            self._config = config

    def current(self) -> Perceiver:
        """The perceiver of the next frame, its settings up to date.

        Only the worker's thread calls this.
        """
        with self._lock:
            perceiver, config = self._perceiver, self._config
        if perceiver.config is not config:
            perceiver.config = config
        return perceiver

    def reload(self, settings: Settings | None, done: Done) -> None:
        """Load a model in the background; it serves once it is collected, or the old one stays.

        Args:
            settings: model and how to read it; None for those in service when its turn comes.
            done: called with "" or what went wrong.
        """
        if self._next is None:
            self._next = _Load(settings)
        elif settings is not None:
            self._next.settings = settings
        self._next.waiting.append(done)
        self._begin_next()

    def collect(self, exchange: Callable[[Callable[[], None]], None]) -> None:
        """Take finished loads over.

        Args:
            exchange: runs the exchange of the perceiver it is given between two publications.
        """
        while not self._finished.empty():
            load, settings, outcome = self._finished.get()
            if load is not self._running:  # It took too long, and was given up.
                continue
            if isinstance(outcome, Exception):
                self._finish(str(outcome) or type(outcome).__name__)
                continue
            try:
                exchange(partial(self._put_in_service, outcome, settings))
            except MtvError as error:  # Settings changed meanwhile, and no longer fit its classes.
                self._finish(str(error))
                continue
            self._finish("")

    def check(self, timeout: float) -> None:
        """Give up a load that has been running for twice `timeout` (s)."""
        load = self._running
        if load and self._thread and time.monotonic() - load.begun_at > _LOADS_OF_TIMEOUT * timeout:
            self._left_behind.append(self._thread)
            self._finish(f"it was not loaded within {_LOADS_OF_TIMEOUT * timeout:g} s")

    def close(self) -> None:
        """Tell whoever waits for a load that nothing will come of it."""
        loads = [load for load in (self._running, self._next) if load]
        self._running = self._next = None
        for load in loads:
            for done in load.waiting:
                done("the node was cleaned up")

    def _begin_next(self) -> None:
        if self._running or not self._next:
            return
        self._running, self._next = self._next, None
        self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
        if len(self._left_behind) >= _MOST_LEFT_BEHIND:
            self._finish(f"{_MOST_LEFT_BEHIND} loads before it still hang; restart the node")
            return
        self._running.begun_at = time.monotonic()
        self._thread = threading.Thread(
            target=self._load, args=(self._running,), name="model-loader", daemon=True
        )
        self._thread.start()

    def _load(self, load: _Load) -> None:
        """In the loading thread."""
        settings = load.settings or self._in_service
        outcome: Perceiver | Exception
        try:
            outcome = load_perceiver(settings.node.source, settings.perceiver)
        except Exception as error:  # Whatever is wrong with the new model, the old one goes on.
            outcome = error
        self._finished.put((load, settings, outcome))
        self._wake()

    def _finish(self, error: str) -> None:
        load, self._running, self._thread = self._running, None, None
        for done in load.waiting if load else ():
            done(error)
        self._begin_next()

    def _put_in_service(self, replacement: Perceiver, settings: Settings) -> None:
        with self._lock:
            if replacement.config is not self._config:  # Changed while the model was loading.
                replacement.config = self._config
            self._perceiver, self._in_service = replacement, settings
            self._version = max(self._version + 1, replacement.spec.version)
