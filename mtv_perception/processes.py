"""Worker processes that end with the process that began them, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

SPAWN = multiprocessing.get_context("spawn")
"""How workers are begun: without the threads and locks of this process."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class _Pool(ProcessPoolExecutor):
    """Begins its workers with Ctrl-C blocked.

    The terminal sends it to all processes; only the first one is to answer.
    """

    def submit(
        self,
        fn: Callable[_Arguments, _Result],
        /,
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> Future[_Result]:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return super().submit(fn, *args, **kwargs)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def process_pool(
    workers: int, begin: Callable[..., None], *args: Any
) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes.

    An error or Ctrl-C inside stops them at once: what waits is not begun.

    Args:
        workers: how many.
        begin: called in each of them first.
        args: what `begin` is called with.
    """
    others = multiprocessing.active_children()
    pool = _Pool(workers, SPAWN, _begin, (begin, *args))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        begun = [item for item in multiprocessing.active_children() if item not in others]
        for process in begun:
            process.terminate()
        for process in begun:
            process.join()
        raise
    pool.shutdown()


def _begin(begin: Callable[..., None], *args: Any) -> None:
    """Run in a worker: a killed parent can't tell it to stop."""
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    begin(*args)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
