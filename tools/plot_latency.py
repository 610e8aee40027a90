#!/usr/bin/env python3
"""Draw accuracy over latency: our model and peers, each in the engines that `mtv bench` measured.

    mtv bench --model MODEL --threads 2 --peers yolov8n.onnx --json build/yolov8n.json
    python tools/plot_latency.py --model-map50 .818 \
        --peer YOLOv8n .811 build/yolov8n.json --out docs/images/latency.png

Our points are the means over the files. Peers' accuracy is what their publishers give, in float32.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_MARKERS = {
    "openvino int8": "o",
    "litert int8": "s",
    "openvino float32": "^",
    "onnxruntime float32": "v",
}
_ENGINES = {"openvino int8": "openvino int8", "openvino": "openvino float32"}
_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9")  # Okabe & Ito, 2008


@dataclass(frozen=True)
class Point:
    """A network in an engine.

    Attributes:
        network: its name.
        engine: a key of _MARKERS.
        latency_ms: p50 of the network alone.
        map50: AP@.50, mean of the classes, 0..1.
    """

    network: str
    engine: str
    latency_ms: float
    map50: float


def our_points(runs: Sequence[dict[str, Any]], map50: float, threads: int) -> list[Point]:
    """Our model in each engine, mean over several results of `mtv bench`."""
    taken: dict[str, list[float]] = {}
    for run in runs:
        for engine, parts in {run["engine"]: run["runs"], **run.get("engines", {})}.items():
            taken.setdefault(engine, []).append(_of_threads(parts, threads)["network_ms"]["p50"])
    return [
        Point("warehouse (boxes and masks)", f"{engine} int8", float(np.mean(values)), map50)
        for engine, values in taken.items()
    ]


def peer_points(run: dict[str, Any], name: str, map50: float, threads: int) -> list[Point]:
    """A peer in each engine of one result of `mtv bench`."""
    return [
        Point(
            name,
            _ENGINES.get(peer["name"], f"{peer['name']} float32"),
            peer["network_ms"]["p50"],
            map50,
        )
        for peer in run["peers"]
        if peer["threads"] == threads and "network_ms" in peer
    ]


def draw(points: Sequence[Point], title: str, out: Path) -> None:
    """Write the picture: a colour a network, a marker an engine."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    networks = list(dict.fromkeys(point.network for point in points))
    if len(networks) > len(_COLOURS):
        raise SystemExit(f"Expected at most {len(_COLOURS)} networks, got {len(networks)}.")
    for colour, network in zip(_COLOURS, networks, strict=False):
        own = sorted((p for p in points if p.network == network), key=lambda p: p.latency_ms)
        places = [(p.latency_ms, p.map50) for p in own]
        axes.plot(*np.array(places).T, color=colour, alpha=0.4)
        for point in own:
            axes.plot(
                point.latency_ms, point.map50, _MARKERS[point.engine], color=colour, markersize=8
            )
        axes.annotate(network, places[0], xytext=(0, 9), textcoords="offset points", color=colour)
    _finish(axes, sorted({point.engine for point in points}), title)
    figure.savefig(out, dpi=110)


def _finish(axes: Axes, engines: Sequence[str], title: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel("network, p50 (ms)")
    axes.set_ylabel("mAP@.50, forklift_person/val")
    ticks = (10, 20, 50, 100, 200, 500)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.margins(x=0.12, y=0.2)
    axes.grid(alpha=0.3)
    for engine in engines:
        axes.plot([], [], _MARKERS[engine], color="black", label=engine)
    axes.legend(loc="lower right", fontsize=8)
    axes.set_title(title, fontsize=9)


def _of_threads(parts: Sequence[dict[str, Any]], threads: int) -> dict[str, Any]:
    return next(part for part in parts if part["threads"] == threads)


def main() -> None:
    """Read, draw, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model-map50", type=float, required=True, metavar="M", help="of our model, 0..1")
    add("--peer", nargs=3, action="append", required=True, metavar=("NAME", "MAP50", "JSON"))
    add("--threads", type=int, default=2)
    add("--out", type=Path, required=True, metavar="PNG")
    args = parser.parse_args()
    runs = [json.loads(Path(file).read_text(encoding="utf-8")) for _, _, file in args.peer]
    points = our_points(runs, args.model_map50, args.threads)
    for run, (name, map50, _) in zip(runs, args.peer, strict=True):
        points += peer_points(run, name, float(map50), args.threads)
    machine = f"{runs[0]['machine']['cpu']}, {args.threads} threads, 480x640"
    draw(points, f"{runs[0]['model']}; {machine}", args.out)


if __name__ == "__main__":
    main()
