import json
import os

import numpy as np
import pytest

from mtv_perception.cli import bench
from mtv_perception.cli.bench.peers import Peer
from mtv_perception.cli.main import main
from mtv_perception.errors import ArtefactError
from mtv_perception.runtime.artefact import Artefact
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.models import find_model


@pytest.fixture
def model():
    try:
        return os.environ.get("MTV_TEST_MODEL") or str(find_model("warehouse"))
    except ArtefactError as error:
        pytest.skip(f"no model to run: {error}")


def test_the_summary():
    figures = bench.summary([(1.0, 8.0, 2.0, 11.5)] * 10)

    assert figures["network_ms"] == {"p10": 8.0, "p50": 8.0, "p95": 8.0, "p99": 8.0}
    assert figures["pre_post_ms"]["p50"] == 3.0
    assert figures["frames_per_s"] == pytest.approx(1000 / 11.5, abs=0.1)


def test_the_machine_is_described():
    assert bench.sgemm_gflops() > 0
    assert bench.memory_mb() > 10
    assert bench.machine()["cores"] == os.cpu_count()


def test_decoding_is_measured():
    figures = bench.decoding([np.zeros((48, 64, 3), np.uint8)] * 2)

    assert all(figures[name]["p50"] > 0 for name in ("bgr8", "jpeg"))


def test_the_clip_is_measured_at_the_size_of_the_camera():
    images = bench.read_images(bench.CLIP)

    assert {image.shape for image in images} == {(480, 640, 3)}
    assert len({image.tobytes() for image in images}) > 10


def test_bench_writes_what_was_asked_for(model, tmp_path, capsys):
    file = tmp_path / "bench.json"
    command = [
        "bench",
        "--model",
        model,
        "--baseline",
        model,
        "--threads",
        "1",
        "2",
        "--frames",
        "12",
    ]

    assert main([*command, "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    for name in (
        "network_ms",
        "pre_ms",
        "post_ms",
        "total_ms",
        "letterbox_ms",
        "boxes_ms",
        "mask_ms",
        "confidence_ms",
    ):
        assert 0 < found[name]["p50"] <= found[name]["p95"] <= found[name]["p99"]
    assert found["sgemm_gflops"] > 0
    assert [part["threads"] for part in found["runs"]] == [1, 2]
    assert len(found["network_share_of_baseline"]) == len(found["baseline"]["runs"]) == 2
    assert found["rss_mb"]["peak"] >= found["rss_mb"]["end"] > 0
    assert "frames/s" in capsys.readouterr().out


def test_the_baseline_runs_in_the_engine_of_the_model(model, monkeypatch):
    opened, open_one = [], Artefact.open

    def open_in_litert(artefact, config):
        opened.append(config.backend)
        return open_one(artefact, EngineConfig(config.num_threads))

    monkeypatch.setattr(Artefact, "open", open_in_litert)
    options = ["--backend", "openvino", "--threads", "1", "--frames", "2", "--streams", "1"]

    assert main(["bench", "--model", model, "--baseline", model, *options]) == 0
    assert set(opened) == {"openvino"}


@pytest.mark.parametrize("name", ["other", "openvino", "model"])
def test_peers_and_streams_are_measured_in_the_same_run(name, model, tmp_path, capsys, monkeypatch):
    file = tmp_path / "bench.json"
    peers = [Peer(name, "network_ms", lambda image: 9.0)]
    monkeypatch.setattr(bench, "open_onnx", lambda path, images: lambda threads: peers)
    monkeypatch.setattr(
        bench, "open_reference", lambda: Peer("reference-keras", "total_ms", lambda image: 90.0)
    )
    command = [
        "bench",
        "--model",
        model,
        "--backend",
        "litert",
        "--threads",
        "1",
        "--frames",
        "4",
        "--streams",
        "2",
        "--rest",
        "1",
    ]

    assert main([*command, "--peers", "other.onnx", "--reference-keras", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    other, reference = found["peers"]
    assert (other["name"], other["network_ms"]["p50"]) == (name, 9.0)
    assert other["ours"] == found["engine"] == "litert"
    assert other["ours_over_theirs"] == pytest.approx(found["network_ms"]["p50"] / 9.0, abs=1e-3)
    assert reference["times_as_fast"] == pytest.approx(90.0 / found["total_ms"]["p50"], abs=0.006)
    assert found["streams"]["own"]["frames_per_s"] > 0
    said = capsys.readouterr().out
    assert "reference-keras" in said
    assert "streams, shared network" in said


def test_an_unknown_model_is_one_line(capsys):
    assert main(["bench", "--model", "/nowhere"]) == 2
    assert capsys.readouterr().err.startswith("mtv: ")
