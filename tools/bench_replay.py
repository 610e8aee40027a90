#!/usr/bin/env python3
"""Measures `mtv replay`: frames a second against the network's own limit, memory over time, two
jobs, Ray.

    . scripts/env.sh && .venv/bin/python tools/bench_replay.py --folder build/bench_replay --frames
    10000

The bags are made once, of the demo's clip at 640x480 as JPEG: one of all frames, and the same
frames in PARTS parts.
"""

import argparse
import importlib.util
import itertools
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.bags.reader import COMPRESSED
from mtv_perception.bags.writer import BagWriter
from mtv_perception.demo.people import CLIP
from mtv_perception.messages.typestore import builder
from mtv_perception.replay.inputs import read_frames
from mtv_perception.resources import SOURCE_ROOT, memory_mb
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model

PARTS = 4
SIZE_WH = (640, 480)
BEGIN_NS = 1_700_000_000_000_000_000
PERIOD_NS = 33_333_333
SAMPLE_S = 0.5


def coded_clip() -> list[np.ndarray]:
    """The clip's frames as JPEG."""
    frames = []
    for frame in read_frames(CLIP):
        small = cv2.resize(frame.image_rgb, SIZE_WH, interpolation=cv2.INTER_AREA)
        _, coded = cv2.imencode(
            ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90]
        )
        frames.append(coded)
    return frames


def write_bag(folder: Path, frames: int) -> Path:
    """A bag of so many frames, round and round the clip; one that is there is taken as it is."""
    if (folder / "metadata.yaml").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    build = builder()
    with BagWriter(folder) as bag:
        for index, coded in enumerate(itertools.islice(itertools.cycle(coded_clip()), frames)):
            stamp = BEGIN_NS + index * PERIOD_NS
            message = build.compressed(coded, "jpeg", build.header(stamp, "camera"))
            bag.write("/image/compressed", COMPRESSED, stamp, message)
    return folder


def network_limit(model: str, interpreters: int, threads: int, runs: int) -> tuple[float, float]:
    """Runs of the network alone a second, on the clip's first image, and the CPU's milliseconds for
    each.
    """
    artefact = load_artefact(find_model(model))
    backends = [artefact.open(threads) for _ in range(interpreters)]
    image = cv2.resize(next(iter(read_frames(CLIP))).image_rgb, artefact.spec.size_hw[::-1])
    for backend in backends:
        backend.input_view()[:] = image
        for _ in range(10):
            backend.run()

    def work(backend) -> None:
        for _ in range(runs):
            backend.run()

    workers = [threading.Thread(target=work, args=(backend,)) for backend in backends]
    begun, cpu = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    total = interpreters * runs
    return total / (time.perf_counter() - begun), (time.process_time() - cpu) / total * 1e3


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return found
    for child in children:
        found += family(int(child))
    return found


def children_cpu_s() -> float:
    """CPU time of all child processes that have ended, seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def memory_figures(samples: list[float]) -> dict[str, float]:
    """Memory after the first tenth of the time, in which the model is loaded, against the last
    tenth.
    """
    tenth = max(1, len(samples) // 10)
    early, late = samples[tenth : 2 * tenth] or samples, samples[-tenth - 1 : -1] or samples
    return {
        "after_a_tenth": round(float(np.median(early)), 1),
        "at_the_end": round(float(np.median(late)), 1),
        "most": round(max(samples), 1),
        "samples": len(samples),
    }


def replay(bags: list[Path], out: Path, *options: str) -> dict[str, object]:
    """Run the command; frames a second with and without its start, and its memory."""
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    report = out.with_suffix(".json")
    command = [sys.executable, str(SOURCE_ROOT / "scripts" / "mtv"), "replay", *map(str, bags)]
    begun, cpu, samples = time.monotonic(), children_cpu_s(), []
    process = subprocess.Popen(
        [*command, "--out", str(out), "--json", str(report), "--quiet", *options],
        stdout=subprocess.DEVNULL,
    )
    while process.poll() is None:
        samples.append(sum(map(memory_mb, family(process.pid))))
        time.sleep(SAMPLE_S)
    seconds = time.monotonic() - begun
    if process.returncode:
        raise RuntimeError(f"mtv replay ended with {process.returncode}")
    figures = json.loads(report.read_text(encoding="utf-8"))
    shutil.rmtree(out)
    slowest = max(run["seconds"] for run in figures["runs"])
    return {
        "frames": figures["frames"],
        "frames_per_s": round(
            figures["frames"] / (slowest if len(bags) == 1 else figures["seconds"]), 1
        ),
        "frames_per_s_with_start": round(figures["frames"] / seconds, 1),
        "cpu_ms_per_frame": round((children_cpu_s() - cpu) / figures["frames"] * 1e3, 2),
        "rss_mb": memory_figures(samples),
    }


def main() -> int:
    """Make the bags, measure, print and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder",
        type=Path,
        required=True,
        help="for bags (made once) and results; 100 kB a frame",
    )
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument(
        "--runs", type=int, default=300, help="of the network alone, before and after"
    )
    parser.add_argument("--model", default="warehouse")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    count = args.frames // PARTS * PARTS
    whole = write_bag(args.folder / f"clip_{count}", count)
    parts = [
        write_bag(args.folder / f"part{index}_{count // PARTS}", count // PARTS)
        for index in range(PARTS)
    ]
    out, model = args.folder / "out", ("--model", args.model)
    cpus = os.cpu_count() or 1
    limits = {"one_of_all_threads": (1, cpus), "one_a_thread": (cpus, 1), "single_thread": (1, 1)}
    # The limits before and after: the machine may have grown slower on the way.
    measured = [
        {name: network_limit(args.model, *shape, args.runs) for name, shape in limits.items()}
    ]
    runs = {
        "one_job": replay([whole], out, *model),
        "one_job_one_thread": replay([parts[0]], out, *model, "--threads", "1"),
        "two_jobs": replay(parts, out, *model, "--jobs", "2"),
    }
    if importlib.util.find_spec("ray"):
        os.environ.pop("RAY_ADDRESS", None)
        for name, jobs in (("ray_one_worker", "1"), ("ray_two_workers", "2")):
            try:
                runs[name] = replay(parts, out, *model, "--engine", "ray", "--jobs", jobs)
            except (
                RuntimeError
            ) as error:  # A busy machine may be too slow for Ray's start; the rest still counts.
                print(f"{name}: {error}", file=sys.stderr)
    measured.append(
        {name: network_limit(args.model, *shape, args.runs) for name, shape in limits.items()}
    )
    limit, cpu = (
        {
            name: round(float(np.mean([part[name][which] for part in measured])), 2)
            for name in limits
        }
        for which in (0, 1)
    )
    single = runs["one_job_one_thread"]["frames_per_s"]
    figures = {
        "machine": f"{cpus} x {platform.machine()}",
        "frames": count,
        "network_runs_per_s": limit,
        "network_cpu_ms_per_run": cpu,
        "runs": runs,
        "one_job_of_the_limit": {
            "one_of_all_threads": round(
                runs["one_job"]["frames_per_s"] / limit["one_of_all_threads"], 3
            ),
            "one_a_thread": round(runs["one_job"]["frames_per_s"] / limit["one_a_thread"], 3),
        },
        "one_thread_of_the_limit": round(single / limit["single_thread"], 3),
        "two_jobs_times_one": round(runs["two_jobs"]["frames_per_s"] / single, 3),
    }
    if {"ray_one_worker", "ray_two_workers"} <= set(runs):
        ray = [runs[name]["frames_per_s"] for name in ("ray_one_worker", "ray_two_workers")]
        figures["ray_two_workers_times_one"] = round(ray[1] / ray[0], 3)
    print(json.dumps(figures, indent=2))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
