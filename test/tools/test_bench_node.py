"""The arithmetic of tools/bench_node.py; its measuring needs minutes and a quiet machine."""

import importlib.util
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "bench_node.py"


@pytest.fixture(scope="module")
def bench_node():
    spec = importlib.util.spec_from_file_location("bench_node", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def status(latency_ms):
    return SimpleNamespace(
        decode_ms=0.5,
        preprocess_ms=0.5,
        network_ms=7.0,
        postprocess_ms=1.0,
        publish_ms=1.0,
        stamp_to_publish_ms=latency_ms,
    )


def test_what_one_camera_got(bench_node):
    figures = bench_node.camera_figures([status(12.0)] * 30, 60, 4.0, 24.0)

    assert (figures["sent"], figures["processed"]) == (60, 30)
    assert figures["processed_of_sent"] == 0.5
    assert figures["processed_of_even_share"] == 1.25
    assert figures["results_per_second"] == 7.5
    assert figures["stamp_to_publish_ms"]["p99"] == 12.0
    assert figures["before_decode_ms"]["p50"] == 2.0


def test_a_camera_that_got_nothing(bench_node):
    assert bench_node.camera_figures([], 60, 4.0, 24.0) == {"sent": 60, "processed": 0}


def test_memory_and_time_of_a_process(bench_node):
    assert bench_node.memory_mb(os.getpid()) > 10
    assert bench_node.cpu_seconds(os.getpid()) > 0
