from types import SimpleNamespace

import numpy as np
import pytest

from mtv_perception.cli.bench import streams


@pytest.fixture
def opened(monkeypatch):
    """Stands in for perceivers; keeps the threads each was opened with and the images each saw."""
    made = []

    def make(model, config):
        seen = []
        made.append(SimpleNamespace(threads=config.num_threads, seen=seen))
        return lambda image: seen.append(int(image[0, 0, 0]))

    monkeypatch.setattr(streams, "Perceiver", make)
    return made


def test_one_network_on_all_threads_against_one_a_thread(opened):
    images = [np.full((1, 1, 3), value, np.uint8) for value in (7, 8, 9)]

    figures = streams.compare_layouts({"model": None}, images, 2, 30)

    assert [item.threads for item in opened] == [2, 1, 1]
    assert len(opened[0].seen) == len(opened[1].seen) + len(opened[2].seen)
    assert set(opened[0].seen) == {7, 8, 9}
    assert set(figures) == {"shared", "own"}
    for part in figures.values():
        assert part["frames_per_s"] > 0
        assert 0 < part["latency_ms"]["p50"] <= part["last_ms"]["p99"]
