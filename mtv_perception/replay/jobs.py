"""Many inputs: one after the other, in processes of this machine, or on a Ray cluster."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from mtv_perception.bags.files import plain_name
from mtv_perception.bags.writer import clear
from mtv_perception.errors import MtvError, ReplayError
from mtv_perception.processes import SPAWN, process_pool
from mtv_perception.replay.replay import ReplayOptions, ReplayReport, check_apart, replay
from mtv_perception.replay.resume import unfinished_folder
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig

ATTEMPTS = 4
"""How often a bag is begun whose worker dies."""


@dataclass(frozen=True)
class Job:
    """One input and where its bag goes."""

    source: Path
    folder: Path


@dataclass(frozen=True)
class Work:
    """What is done to every input.

    Attributes:
        model: folder or name.
        config: of the perceiver; `num_threads` frames are seen side by side.
        options: of the replay.
    """

    model: str
    config: PerceiverConfig
    options: ReplayOptions


@dataclass(frozen=True)
class Outcome:
    """What became of a job: a report, or an error."""

    job: Job
    report: ReplayReport | None = None
    error: str = ""


Progress = Callable[[int, int, "int | None"], None]
"""Called with the job's index, frames done and frames expected."""


def make_jobs(sources: Sequence[Path], out: Path) -> list[Job]:
    """One input goes into the bag `out`.

    Several into bags of their own names inside the folder `out`.

    Raises:
        ReplayError: two inputs of one name.
    """
    if len(sources) == 1:
        check_apart(sources[0], out)
        return [Job(sources[0], out)]
    jobs = [Job(source, out / _name(source)) for source in sources]
    folders = [job.folder for job in jobs]
    twice = [folder.name for index, folder in enumerate(folders) if folder in folders[:index]]
    if twice:
        raise ReplayError(
            f"Expected inputs of different names, got {twice[0]!r} twice; replay them one by one, each "
            "with an --out of its own."
        )
    for job in jobs:
        check_apart(job.source, job.folder)
    return jobs


def _name(source: Path) -> str:
    """Of an input's bag: the input's own without the suffixes of a file."""
    name = source.resolve().name
    return name if source.is_dir() else Path(plain_name(name)).stem


@cache
def _perceivers(model: str, config: PerceiverConfig) -> tuple[Perceiver, ...]:
    """One perceiver a thread, loaded once a process.

    Frames side by side wait less for each other than their parts.
    """
    artefact, single = load_artefact(find_model(model)), replace(config, num_threads=1)
    return tuple(Perceiver(artefact, single) for _ in range(config.num_threads))


def run_job(
    job: Job, work: Work, progress: Callable[[int, int | None], None] | None = None
) -> Outcome:
    """Replay one input; errors about files become part of the outcome."""
    try:
        first, *others = _perceivers(work.model, work.config)
        report = replay(
            job.source,
            job.folder,
            first,
            work.options,
            progress or (lambda done, total: None),
            others,
        )
    except MtvError as error:
        return Outcome(job, error=str(error))
    return Outcome(job, report)


def run_local(
    jobs: Sequence[Job], work: Work, workers: int, progress: Progress
) -> Iterator[Outcome]:
    """On this machine; outcomes as they come."""
    if workers <= 1 or len(jobs) == 1:
        for index, job in enumerate(jobs):
            yield run_job(job, work, partial(progress, index))
        return
    work = _restartable(jobs, work)
    reports = SPAWN.Queue()
    with _relayed(reports, progress), process_pool(workers, _begin, reports) as pool:
        futures = {pool.submit(_pool_job, index, job, work): job for index, job in enumerate(jobs)}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                yield Outcome(futures[future], error="the process died; go on with --resume")


def run_ray(jobs: Sequence[Job], work: Work, workers: int, progress: Progress) -> Iterator[Outcome]:
    """On a Ray cluster: the one that RAY_ADDRESS names.

    Else one of `workers` processes on this machine.

    A bag whose worker dies is taken up again where it was cut off, by another worker. Sources,
    outputs and the model must be at the same paths on every machine (a network share).

    Raises:
        ReplayError: Ray is not installed, or there is no cluster to be had.
    """
    try:
        import ray  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise ReplayError("Expected Ray for --engine ray; install it: pip install ray") from error
    work = _restartable(jobs, work)
    threads = work.config.num_threads
    if not ray.is_initialized():
        cpus = None if _cluster_named() else max(1, workers) * threads
        try:
            ray.init(num_cpus=cpus, log_to_driver=False)
        except (
            Exception
        ) as error:  # Ray says by whatever exception that a cluster does not start or answer.
            raise ReplayError(
                f"Expected a Ray cluster, could not start or reach one: {error}"
            ) from error
    remote = ray.remote(max_retries=ATTEMPTS - 1, num_cpus=threads)(run_job)
    waiting = {remote.remote(job, work): index for index, job in enumerate(jobs)}
    while waiting:
        (ready,), _ = ray.wait(list(waiting), num_returns=1)
        index = waiting.pop(ready)
        try:
            outcome: Outcome = ray.get(ready)
        except ray.exceptions.RayError as error:
            outcome = Outcome(jobs[index], error=str(error).strip().splitlines()[0])
        if outcome.report is not None:
            progress(index, outcome.report.frames, outcome.report.frames)
        yield outcome


ENGINES: dict[str, Callable[[Sequence[Job], Work, int, Progress], Iterator[Outcome]]] = {
    "local": run_local,
    "ray": run_ray,
}


def _cluster_named() -> bool:
    import os

    return bool(os.environ.get("RAY_ADDRESS"))


def _restartable(jobs: Sequence[Job], work: Work) -> Work:
    """Settle here what is in the way, so that a job which is begun twice goes on with what it left behind."""
    options = work.options
    for job in jobs:
        if options.overwrite:
            shutil.rmtree(unfinished_folder(job.folder), ignore_errors=True)
        if not options.resume:
            clear(job.folder, options.overwrite)
    return replace(work, options=replace(options, resume=True, overwrite=False))


_REPORTS: list[Any] = []
"""The queue of this worker process."""


def _begin(reports: Any) -> None:
    _REPORTS.append(reports)


def _pool_job(index: int, job: Job, work: Work) -> Outcome:
    return run_job(job, work, lambda done, total: _REPORTS[0].put((index, done, total)))


@contextmanager
def _relayed(reports: Any, progress: Progress) -> Iterator[None]:
    """Call `progress` in this process with what the workers report."""
    ending = threading.Event()

    def relay() -> None:
        while True:
            try:
                progress(*reports.get(timeout=0.2))
            except queue.Empty:
                if ending.is_set():
                    return

    thread = threading.Thread(target=relay, name="replay-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
