"""`mtv bench`: where the milliseconds of a frame go."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.cli.bench.peers import Peer, open_onnx, open_reference
from mtv_perception.cli.bench.streams import compare_layouts
from mtv_perception.cli.bench.turns import clock, in_turns, percentiles
from mtv_perception.geometry.codec import Variances
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.media.decode import decode_compressed
from mtv_perception.media.encodings import decode_raw
from mtv_perception.replay.inputs import read_frames
from mtv_perception.resources import SOURCE_ROOT, memory_mb
from mtv_perception.runtime.artefact import Artefact, load_artefact
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.backends.config import LITERT, OPENVINO
from mtv_perception.runtime.backends.open import usable_engines
from mtv_perception.runtime.boxes import CANDIDATES, detect
from mtv_perception.runtime.mask import segment
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.outputs import Backend, RawOutputs
from mtv_perception.runtime.perceiver import Model, Perceiver, PerceiverConfig

CLIP = SOURCE_ROOT / "docs" / "media" / "people.mp4"
_SIZE_WH = (640, 480)
_IMAGES = 32
_SGEMM_SIDE = 1024


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text!r}")
    return int(text)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "--model",
        default="warehouse",
        metavar="M",
        help="model folder, or the name of one that comes along (default: %(default)s)",
    )
    add(
        "--threads",
        type=_positive,
        nargs="+",
        default=[1, 2],
        metavar="N",
        help="CPU threads (default: 1 2)",
    )
    add(
        "--frames",
        type=_positive,
        default=300,
        metavar="N",
        help="frames measured (default: %(default)s)",
    )
    add(
        "--source",
        type=Path,
        default=CLIP,
        help="video, images or bag (default: the demo's clip, at 640x480)",
    )
    add("--baseline", metavar="DIR", help="another model, measured in turns with the first")
    add(
        "--backend",
        nargs="+",
        choices=(LITERT, OPENVINO),
        help="engines of the model, measured in turns (default: all that can run it here)",
    )
    add(
        "--peers",
        "--onnx",
        type=Path,
        metavar="FILE",
        help="an ONNX model at its best, in turns with ours: ONNX Runtime, and OpenVINO in float32 "
        "and quantised to int8",
    )
    add(
        "--reference-keras",
        action="store_true",
        help="the reference network, run as its authors ran it, measured in turns with ours",
    )
    add(
        "--streams",
        type=_positive,
        metavar="N",
        help="also compare one network on N threads with N networks, for N cameras",
    )
    add(
        "--rest",
        type=float,
        default=0.0,
        metavar="MS",
        help="sleep before each frame, as between a camera's images (default: back to back)",
    )
    add("--json", type=Path, metavar="FILE", help="write the results here")


def run(args: argparse.Namespace) -> int:
    """Measure, print, and write what was asked for."""
    before = memory_mb()
    images = read_images(args.source)
    names = {"model": args.model} | ({"baseline": args.baseline} if args.baseline else {})
    models = {key: load_artefact(find_model(str(name))) for key, name in names.items()}
    artefact = models["model"]
    engines = args.backend or usable_engines(artefact.files)
    timed: dict[str, Model] = {name: OnEngine(artefact, name) for name in engines[1:]}
    timed = {**models, "model": OnEngine(artefact, engines[0]), **timed}
    reference = [open_reference()] if args.reference_keras else []
    opened = open_onnx(args.peers, images) if args.peers else None
    runs = []
    for threads in args.threads:
        peers = (opened(threads) if opened else []) + reference
        runs.append(bench(timed, images, threads, args.frames, peers, args.rest))
    result = min((part["model"] for part in runs), key=lambda part: part["total_ms"]["p50"])
    content: dict[str, Any] = {
        "model": artefact.model_id,
        "engine": engines[0],
        **result,
        "decode_ms": decoding(images),
        "sgemm_gflops": round(sgemm_gflops(), 1),
        "rss_mb": {"start": before, "end": memory_mb(), "peak": memory_mb(field="VmHWM")},
        "machine": machine(),
        "source": f"{args.source.name}, {images[0].shape[1]}x{images[0].shape[0]}",
        "runs": [part["model"] for part in runs],
        "peers": [figures for part in runs for figures in part["peers"]],
    }
    if engines[1:]:
        content["engines"] = {name: [part[name] for part in runs] for name in engines[1:]}
    if args.baseline:
        content["baseline"] = {
            "model": models["baseline"].model_id,
            "runs": [part["baseline"] for part in runs],
        }
        content["network_share_of_baseline"] = [
            round(part["model"]["network_ms"]["p50"] / part["baseline"]["network_ms"]["p50"], 3)
            for part in runs
        ]
    if args.streams:
        content["streams"] = compare_layouts(timed, images, args.streams, args.frames)
    show(content)
    if args.json:
        from mtv_perception.cli.measuring import write_json

        write_json(args.json, content)
    return 0


def read_images(source: Path) -> list[np.ndarray]:
    """Some images of a source, `(H, W, 3)` uint8 RGB; the demo's clip is brought to 640x480."""
    images: list[np.ndarray] = []
    for index, frame in enumerate(read_frames(source)):
        if index % 3 == 0:
            images.append(frame.image_rgb)
        if len(images) == _IMAGES:
            break
    if source == CLIP:
        images = [cv2.resize(image, _SIZE_WH, interpolation=cv2.INTER_AREA) for image in images]
    return images


class OnEngine:
    """A model in an engine of its own, whatever the configuration says.

    Args:
        artefact: the model.
        backend: the engine.
    """

    def __init__(self, artefact: Artefact, backend: str) -> None:
        self.spec, self._artefact, self._backend = artefact.spec, artefact, backend

    def open(self, config: EngineConfig) -> Backend:
        """A runnable copy in that engine."""
        return self._artefact.open(replace(config, backend=self._backend))


def bench(
    models: Mapping[str, Model],
    images: Sequence[np.ndarray],
    threads: int,
    frames: int,
    peers: Sequence[Peer] = (),
    rest_ms: float = 0.0,
) -> dict[str, Any]:
    """The figures of each model, and of "peers"; with several they take turns.

    Args:
        models: by the name of their part of the result; the fastest but for "baseline" stands
            beside the peers.
        images: `(H, W, 3)` uint8 RGB, used in turn.
        threads: CPU threads of the network.
        frames: how many are measured.
        peers: networks of others.
        rest_ms: sleep before each frame.
    """
    config = PerceiverConfig(num_threads=threads)
    perceivers = {name: Perceiver(model, config) for name, model in models.items()}
    runs = {name: partial(_one, perceiver) for name, perceiver in perceivers.items()}
    runs |= {peer.name: partial(_other, peer) for peer in peers}
    resting = memory_mb()
    taken = in_turns(runs, images, frames, rest_ms)
    growth = round(memory_mb() - resting, 1)
    figures: dict[str, Any] = {
        name: {
            "threads": threads,
            **summary(taken[name]),
            **split(model.open(EngineConfig(threads)), perceivers[name], images, min(frames, 100)),
            "rss_growth_mb": growth,
        }
        for name, model in models.items()
    }
    ours = min(
        (figures[name] for name in models if name != "baseline"),
        key=lambda part: part["network_ms"]["p50"],
    )
    return {
        **figures,
        "peers": [{"threads": threads, **beside(peer, taken[peer.name], ours)} for peer in peers],
    }


def _one(perceiver: Perceiver, image: np.ndarray) -> tuple[float, ...]:
    begun = time.perf_counter()
    timing = perceiver(image).timing
    total = (time.perf_counter() - begun) * 1e3
    return timing.preprocess_ms, timing.network_ms, timing.postprocess_ms, total


def _other(peer: Peer, image: np.ndarray) -> tuple[float, ...]:
    return (peer.run(image),)


def beside(peer: Peer, taken_ms: np.ndarray, ours: Mapping[str, Any]) -> dict[str, Any]:
    """A peer's percentiles, and the ratios of the medians."""
    theirs = percentiles(taken_ms)
    share = ours[peer.stage]["p50"] / theirs["p50"]
    return {
        "name": peer.name,
        peer.stage: theirs,
        "ours_over_theirs": round(share, 3),
        "times_as_fast": round(1 / share, 2),
    }


def summary(timings: Sequence[tuple[float, ...]] | np.ndarray) -> dict[str, Any]:
    """Percentiles of pre-processing, network, post-processing and total, and frames a second."""
    table = np.array(timings)
    names = ("pre_ms", "network_ms", "post_ms", "total_ms")
    both = percentiles(table[:, 0] + table[:, 2])
    stages: dict[str, Any] = {
        name: percentiles(column) for name, column in zip(names, table.T, strict=True)
    }
    return {
        **stages,
        "pre_post_ms": both,
        "frames_per_s": round(1e3 / float(table[:, 3].mean()), 1),
    }


def split(
    backend: Backend, perceiver: Perceiver, images: Sequence[np.ndarray], frames: int
) -> dict[str, Any]:
    """Percentiles of the parts that Timing puts together, run one by one outside of the perceiver."""
    defaults = perceiver.spec.box_spec.boxes_cxcywh()
    taken: dict[str, list[float]] = {"letterbox_ms": [], "boxes_ms": [], "mask_ms": []}
    for index in range(frames):
        parts = _parts(backend, perceiver, images[index % len(images)], defaults)
        for name, spent in zip(taken, parts, strict=True):
            taken[name].append(spent)
    return {name: percentiles(np.array(values)) for name, values in taken.items()}


def _parts(
    backend: Backend, perceiver: Perceiver, image: np.ndarray, defaults: np.ndarray
) -> tuple[float, float, float]:
    """Milliseconds of letterbox, boxes and mask of one image."""
    box = Letterbox.fit((image.shape[0], image.shape[1]), perceiver.spec.size_hw)
    filling = clock(_fill, box, image, backend)
    raw = backend.run()
    size = (raw.segmentation_logits, box, box.source_hw, perceiver.config.mask_threshold)
    return filling, clock(_boxes, raw, perceiver, defaults), clock(segment, *size)


def _fill(box: Letterbox, image: np.ndarray, backend: Backend) -> None:
    box.write(image, backend.input_view())


def _boxes(raw: RawOutputs, perceiver: Perceiver, defaults: np.ndarray) -> None:
    spec, config = perceiver.spec, perceiver.config
    found = CANDIDATES[spec.scores](
        raw.class_logits, config.thresholds(spec), config.max_candidates
    )
    limits = (config.max_per_class, config.max_detections)
    detect(
        found, raw.box_offsets, defaults, Variances(*spec.variances), spec.iou_threshold, *limits
    )


def decoding(images: Sequence[np.ndarray]) -> dict[str, dict[str, float]]:
    """Percentiles of turning messages into pixels: raw bgr8 and JPEG."""
    height, width = images[0].shape[:2]
    raw = [cv2.cvtColor(image, cv2.COLOR_RGB2BGR).tobytes() for image in images]
    coded = [cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1] for image in images]
    layout = (height, width, 3 * width, "bgr8", False)
    return {
        "bgr8": percentiles(np.array([clock(decode_raw, data, *layout) for data in raw * 3])),
        "jpeg": percentiles(np.array([clock(decode_compressed, data) for data in coded * 3])),
    }


def sgemm_gflops() -> float:
    """The best of some float32 matrix products, G operations a second: what this machine gave to us in this run."""
    a = np.ones((_SGEMM_SIDE, _SGEMM_SIDE), np.float32)
    out = np.empty_like(a)
    best_ms = min(clock(np.matmul, a, a, out) for _ in range(20))
    return 2 * _SGEMM_SIDE**3 / best_ms / 1e6


def machine() -> dict[str, Any]:
    """What it was measured on, and how busy that was."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    load = round(os.getloadavg()[0], 2)
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load_1min": load,
    }


def show(content: dict[str, Any]) -> None:
    """Print a table for people."""
    print(f"{content['model']} on {content['source']}; {content['machine']}")
    print(f"sgemm {content['sgemm_gflops']} GFLOP/s; RSS {content['rss_mb']} MB")
    stages = ("pre_ms", "network_ms", "post_ms", "total_ms", "letterbox_ms", "boxes_ms", "mask_ms")
    parts = [(f"{content['engine']} ", part) for part in content["runs"]]
    for name, engine_runs in content.get("engines", {}).items():
        parts += [(f"{name} ", part) for part in engine_runs]
    parts += [("baseline ", part) for part in content.get("baseline", {"runs": []})["runs"]]
    for title, part in parts:
        print(f"{title}threads {part['threads']}: {part['frames_per_s']} frames/s")
        for stage in stages:
            figures = "  ".join(f"{name} {value:8.3f}" for name, value in part[stage].items())
            print(f"  {stage:13s} {figures}")
    for name, figures in content["decode_ms"].items():
        print(f"decode {name}: p50 {figures['p50']} ms, p99 {figures['p99']} ms")
    if "network_share_of_baseline" in content:
        print(f"network p50 / baseline's: {content['network_share_of_baseline']}")
    for peer in content["peers"]:
        stage = next(name for name in ("network_ms", "total_ms") if name in peer)
        figures = "  ".join(f"{name} {value:.3f}" for name, value in peer[stage].items())
        print(f"{peer['name']}, threads {peer['threads']}: {stage} {figures}")
        print(
            f"  ours / theirs {peer['ours_over_theirs']}; ours is {peer['times_as_fast']} times as fast"
        )
    for name, part in content.get("streams", {}).items():
        figures = "  ".join(f"{key} {value:.1f}" for key, value in part["latency_ms"].items())
        print(f"streams, {name} network: {part['frames_per_s']} frames/s; latency {figures}")
