"""`mtv replay`: bags, videos and image folders through the perceiver, offline."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from mtv_perception.cli.engines import add_engine_options, engine_of
from mtv_perception.cli.measuring import write_json
from mtv_perception.cli.options import add_max_pixels, add_model, add_topics, share
from mtv_perception.cli.privacy import add_privacy_options, privacy_line, privacy_of
from mtv_perception.compare.golden import write_golden
from mtv_perception.compare.runs import open_run
from mtv_perception.replay.inputs import exit_status, left_out_lines
from mtv_perception.replay.jobs import ENGINES, Outcome, Work, make_jobs
from mtv_perception.replay.replay import ReplayOptions
from mtv_perception.replay.results import EXTRAS
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import MOST_THREADS, PerceiverConfig

HELP = "a bag, video or image folder through the perceiver, offline"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("inputs", type=Path, nargs="+", metavar="IN", help="bag, video, image folder or image")
    add(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="the bag; with several inputs a folder of bags",
    )
    add_model(parser)
    add_topics(parser)
    add(
        "--include",
        nargs="*",
        default=("status",),
        choices=EXTRAS,
        metavar="WHAT",
        help=f"also write: {', '.join(EXTRAS)} (default: status)",
    )
    add(
        "--rate",
        type=float,
        default=0.0,
        metavar="HZ",
        help="frames a second of files (default: the video's own)",
    )
    add(
        "--class-id-as",
        choices=("id", "name"),
        default="id",
        help="what hypotheses hold (default: %(default)s)",
    )
    add(
        "--score-threshold",
        "--score",
        dest="score_threshold",
        type=share,
        default=-1.0,
        metavar="S",
        help="lowest score (default: the model's)",
    )
    add(
        "--threads",
        type=int,
        metavar="N",
        help="frames at once in each job (default: share the CPUs; Ray: 1)",
    )
    add_privacy_options(parser)
    add_max_pixels(parser)
    add_engine_options(parser)
    add("--jobs", type=int, default=1, metavar="N", help="inputs at once (default: %(default)s)")
    add(
        "--engine",
        choices=tuple(ENGINES),
        default="local",
        help="where jobs run (default: %(default)s)",
    )
    add("--resume", action="store_true", help="go on with unfinished bags, leave finished ones")
    add("--overwrite", action="store_true", help="replace older bags")
    add(
        "--golden",
        type=Path,
        metavar="FILE",
        help="also write boxes and small masks to compare later runs with",
    )
    add("--json", type=Path, metavar="FILE", help="write the report here")
    add("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Replay everything; 1 when something failed, 2 when there was no frame at all."""
    if args.jobs < 1:
        raise ValueError(f"Expected at least 1 job, got {args.jobs}.")
    if args.golden and len(args.inputs) > 1:
        raise ValueError("Expected one input for --golden, got several.")
    work = _work(args)
    jobs = make_jobs(args.inputs, args.out)
    begun = time.monotonic()
    with _Bar(len(jobs), args.quiet) as bar:
        outcomes = []
        for outcome in ENGINES[args.engine](jobs, work, args.jobs, bar.update):
            outcomes.append(outcome)
            bar.say(_line(outcome), sys.stderr if outcome.error else sys.stdout)
    seconds = time.monotonic() - begun
    if args.golden and _went_wrong(outcomes[0]):
        print(f"{args.golden}: not written: expected a result for every image", file=sys.stderr)
    elif args.golden:
        write_golden(open_run(args.out), args.golden)
    if args.json:
        write_json(args.json, _summary(outcomes, seconds))
    return exit_status(
        sum(outcome.report.frames for outcome in outcomes if outcome.report is not None),
        any(_went_wrong(outcome) for outcome in outcomes),
    )


def _went_wrong(outcome: Outcome) -> bool:
    report = outcome.report
    return report is None or bool(report.damage or report.failed or not report.frames)


def _work(args: argparse.Namespace) -> Work:
    options = ReplayOptions(
        topics=tuple(args.topics),
        extras=tuple(args.include),
        rate=args.rate,
        class_id_as=args.class_id_as,
        resume=args.resume,
        overwrite=args.overwrite,
        max_pixels=args.max_pixels,
    )
    if args.threads is not None and args.threads < 1:
        raise ValueError(f"Expected at least 1 thread, got {args.threads}.")
    threads = args.threads or _threads(args)
    config = PerceiverConfig(
        score_threshold=args.score_threshold,
        num_threads=threads,
        **privacy_of(args),
        **engine_of(args),
    )
    model = str(find_model(args.model).resolve())
    # What is wrong with the model is said once, before any work.
    perceiver = Perceiver(load_artefact(model), config)
    if line := privacy_line(config, perceiver.spec):
        print(line, flush=True)
    return Work(model, config, options)


def _threads(args: argparse.Namespace) -> int:
    """Of each job: its share of this machine's CPUs.

    One on a cluster, where every CPU takes a bag of its own.
    """
    if args.engine == "ray":
        return 1
    share = (os.cpu_count() or 2) // min(args.jobs, len(args.inputs))
    return min(max(1, share), MOST_THREADS)


def _line(outcome: Outcome) -> str:
    report = outcome.report
    if report is None:
        return f"mtv: {outcome.error}"
    if report.skipped:
        return f"{report.source}: finished before, {report.frames} frames in {report.bag}"
    text = f"{report.source}: {report.frames} frames"
    if report.topics:
        text += " of " + ", ".join(f"{topic} ({count})" for topic, count in report.topics.items())
    if report.seconds:
        text += f", {(report.frames - report.resumed) / report.seconds:.1f} frames/s"
    if report.resumed:
        text += f", {report.resumed} taken over"
    if report.failed:
        text += f", {report.failed} not decodable ({report.faults[0]})"
    if report.damage:
        text += f"; DAMAGED, the rest was processed: {report.damage}"
    return "\n".join([f"{text} -> {report.bag}", *left_out_lines(report.left_out)])


def _summary(outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    runs = [
        {"source": str(item.job.source), "error": item.error}
        if item.report is None
        else {
            **vars(item.report),
            "faults": list(item.report.faults),
            "left_out": list(item.report.left_out),
        }
        for item in outcomes
    ]
    return {
        "seconds": round(seconds, 3),
        "frames": sum(run.get("frames", 0) for run in runs),
        "runs": runs,
    }


class _Bar:
    """Frames of all jobs on one bar, with rate and time left."""

    def __init__(self, jobs: int, quiet: bool) -> None:
        self._done, self._totals = [0] * jobs, [0] * jobs
        self._bar = tqdm(
            unit="frame", desc="replay", disable=quiet, dynamic_ncols=True, file=sys.stderr
        )

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, job: int, done: int, total: int | None) -> None:
        """A job has got so far."""
        self._totals[job] = max(total or 0, done)
        self._bar.total = sum(self._totals)
        self._bar.update(done - self._done[job])
        self._done[job] = done

    def say(self, line: str, stream: TextIO) -> None:
        """A line above the bar."""
        self._bar.clear()
        print(line, file=stream, flush=True)
        self._bar.refresh()
