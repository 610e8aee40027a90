"""tools/plot_latency.py: results of `mtv bench` become points of accuracy over latency."""

import json
import sys

import cv2
import pytest

from mtv_perception.resources import SOURCE_ROOT

sys.path.insert(0, str(SOURCE_ROOT / "tools"))
plot_latency = pytest.importorskip("plot_latency", reason="needs matplotlib")


def figures(threads, p50):
    return {"threads": threads, "network_ms": {"p50": p50}}


def result(ours=17.0, theirs=40.0):
    return {
        "model": "warehouse-v1-int8-0",
        "engine": "litert",
        "machine": {"cpu": "a processor"},
        "runs": [figures(1, 2 * ours), figures(2, ours)],
        "engines": {"openvino": [figures(1, ours), figures(2, ours / 2)]},
        "peers": [
            {"name": name, **figures(threads, theirs * 3 / threads / part)}
            for threads in (1, 2)
            for part, name in enumerate(("onnxruntime", "openvino", "openvino int8"), start=1)
        ],
    }


def test_our_points_are_means_over_the_runs_of_the_same_threads():
    points = plot_latency.our_points([result(16.0), result(18.0)], 0.8, 2)
    assert {(p.engine, p.latency_ms) for p in points} == {
        ("litert int8", 17.0),
        ("openvino int8", 8.5),
    }
    assert {p.map50 for p in points} == {0.8}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_peer_has_one_point_an_engine(threads):
    points = plot_latency.peer_points(result(), "other", 0.7, threads)
    latency = {p.engine: p.latency_ms for p in points}
    best = 120.0 / threads
    assert latency == {
        "onnxruntime float32": best,
        "openvino float32": best / 2,
        "openvino int8": best / 3,
    }


def test_the_picture_is_written(tmp_path, monkeypatch):
    file, out = tmp_path / "bench.json", tmp_path / "latency.png"
    file.write_text(json.dumps(result()))
    command = ["plot", "--model-map50", ".8", "--peer", "other", ".7", str(file)]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(out)])
    plot_latency.main()
    assert cv2.imread(str(out)).std() > 5
