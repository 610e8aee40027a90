"""`mtv bench`: where the milliseconds of a frame go."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.cli.bench.machine import machine, sgemm_gflops
from mtv_perception.cli.bench.peers import Peer, open_onnx, open_reference
from mtv_perception.cli.bench.stages import decoding, split
from mtv_perception.cli.bench.streams import compare_layouts
from mtv_perception.cli.bench.turns import in_turns, percentiles
from mtv_perception.cli.options import add_model, positive
from mtv_perception.replay.inputs import read_frames
from mtv_perception.resources import SOURCE_ROOT, memory_mb
from mtv_perception.runtime.artefact import Artefact, load_artefact
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.backends.config import LITERT, OPENVINO
from mtv_perception.runtime.backends.open import usable_engines
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.outputs import Backend
from mtv_perception.runtime.perceiver import Model, Perceiver
from mtv_perception.runtime.settings import PerceiverConfig

__all__ = ["CLIP", "OnEngine", "bench", "configure", "read_images", "run", "show"]

CLIP = SOURCE_ROOT / "docs" / "media" / "people.mp4"
_SIZE_WH = (640, 480)
_IMAGES = 32


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add_model(parser)
    add(
        "--threads",
        type=positive,
        nargs="+",
        default=[1, 2],
        metavar="N",
        help="CPU threads (default: 1 2)",
    )
    add(
        "--frames",
        type=positive,
        default=300,
        metavar="N",
        help="frames measured (default: %(default)s)",
    )
    add(
        "--source",
        type=Path,
        default=CLIP,
        metavar="SOURCE",
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
        help="whole frames of the preset `reference` in Keras with random weights, boxes and mask "
        "included, in turns with ours",
    )
    add(
        "--streams",
        type=positive,
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
    # The baseline in the same engine, so that the ratio is of the models alone.
    timed: dict[str, Model] = {key: OnEngine(found, engines[0]) for key, found in models.items()}
    timed |= {name: OnEngine(artefact, name) for name in engines[1:]}
    reference = [open_reference()] if args.reference_keras else []
    opened = open_onnx(args.peers, images) if args.peers else None
    runs = []
    for threads in args.threads:
        peers = (opened(threads) if opened else []) + reference
        runs.append(bench(timed, images, threads, args.frames, peers, args.rest))
    result = min((part["model"] for part in runs), key=lambda part: part["total_ms"]["p50"])
    engine_of = {"model": engines[0], **{name: name for name in engines[1:]}}
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
        "peers": [
            figures | {"ours": engine_of[figures["ours"]]}
            for part in runs
            for figures in part["peers"]
        ],
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
    # A peer may have the name of an engine, or of a part of the result.
    others = {f"peer {peer.name}": peer for peer in peers}
    runs |= {name: partial(_other, peer) for name, peer in others.items()}
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
    fastest = min(
        (name for name in models if name != "baseline"),
        key=lambda name: figures[name]["network_ms"]["p50"],
    )
    return {
        **figures,
        "peers": [
            {"threads": threads, "ours": fastest, **beside(peer, taken[name], figures[fastest])}
            for name, peer in others.items()
        ],
    }


def _one(perceiver: Perceiver, image: np.ndarray) -> tuple[float, ...]:
    begun = time.perf_counter()
    result = perceiver(image)
    ready = time.perf_counter()
    _ = result.segmentation.class_ids  # computed when it is read, as for a subscriber
    ended = time.perf_counter()
    timing, mask_ms = result.timing, (ended - ready) * 1e3
    total = (ended - begun) * 1e3
    return timing.preprocess_ms, timing.network_ms, timing.postprocess_ms + mask_ms, total


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


def show(content: dict[str, Any]) -> None:
    """Print a table for people."""
    print(f"{content['model']} on {content['source']}; {content['machine']}")
    print(f"sgemm {content['sgemm_gflops']} GFLOP/s; RSS {content['rss_mb']} MB")
    stages = (
        "pre_ms",
        "network_ms",
        "post_ms",
        "total_ms",
        "pre_post_ms",
        "letterbox_ms",
        "boxes_ms",
        "mask_ms",
        "confidence_ms",
    )
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
            f"  ours ({peer['ours']}) / theirs {peer['ours_over_theirs']}; ours is "
            f"{peer['times_as_fast']} times as fast"
        )
    for name, part in content.get("streams", {}).items():
        figures = "  ".join(f"{key} {value:.1f}" for key, value in part["latency_ms"].items())
        print(f"streams, {name} network: {part['frames_per_s']} frames/s; latency {figures}")
