"""Reading ahead, working side by side and writing behind.

Each in threads of its own, in order, a few items deep.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_POLL_S = 0.1


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def read_ahead(items: Iterable[T], depth: int) -> Iterator[T]:
    """The items, produced by a thread at most `depth` ahead; its exceptions are raised here."""
    waiting: queue.Queue[T | _End] = queue.Queue(depth)
    stopping = threading.Event()

    def put(item: T | _End) -> bool:
        while not stopping.is_set():
            try:
                waiting.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def produce() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as caught:
            error = caught
        put(_End(error))

    thread = threading.Thread(target=produce, name="replay-reader", daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopping.set()
        thread.join()


def side_by_side(items: Iterable[T], workers: Sequence[Callable[[T], R]]) -> Iterator[R]:
    """What the workers make of the items, in the order of the items.

    Args:
        items: to work on.
        workers: of equal skill; each works on one item at a time, the free one on the next.
    """
    if len(workers) == 1:
        yield from map(workers[0], items)
        return
    free: queue.SimpleQueue[Callable[[T], R]] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    def work(item: T) -> R:
        worker = free.get()
        try:
            return worker(item)
        finally:
            free.put(worker)

    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(len(workers), "replay-worker") as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > len(workers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class WriteBehind:
    """Runs jobs in a thread in the order given; use as a context manager.

    Args:
        depth: how many may wait.
    """

    def __init__(self, depth: int) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="replay-writer", daemon=True)

    def __enter__(self) -> WriteBehind:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._jobs.put(None)
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def submit(self, job: Callable[[], None]) -> None:
        """Run a job after those before it; raises what one of them raised."""
        if self._error is not None:
            raise self._error
        self._jobs.put(job)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._error is None:
                try:
                    job()
                except BaseException as error:  # Handed to the thread that submits.
                    self._error = error
