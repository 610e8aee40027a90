"""The gate: the package's model on the demo clip still says what it said when the golden file was
made.

Made anew, after a change that is meant, by:
    mtv replay docs/media/people.mp4 --out build/golden --overwrite --golden
    test/compare/golden/people.jsonl
"""

import os
from pathlib import Path

import pytest

from mtv_perception.compare.compare import Tolerances, compare_runs
from mtv_perception.compare.golden import read_golden
from mtv_perception.compare.runs import open_run
from mtv_perception.replay.replay import replay
from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact

GOLDEN = Path(__file__).parent / "golden" / "people.jsonl"
# Other processors may round differently inside the network; a fault differs by far more.
TOLERANCES = Tolerances(unmatched=0.05, box_iou=0.95, score_drift=0.02, mask_iou=0.9)


def test_the_demo_clip_gives_the_golden_run(tmp_path, model, clip):
    golden = read_golden(GOLDEN)
    artefact = load_artefact(model)
    if "MTV_TEST_MODEL" in os.environ and artefact.model_id != golden.model_id:
        pytest.skip(
            f"MTV_TEST_MODEL is {artefact.model_id}, the golden run is of {golden.model_id}"
        )
    assert artefact.model_id == golden.model_id, (
        "another model: make the golden run anew (see above)"
    )
    report = replay(clip, tmp_path / "run", Perceiver(artefact, PerceiverConfig()))
    assert report.frames == 120 and not report.damage
    assert compare_runs(golden, open_run(tmp_path / "run")).verdict(TOLERANCES) == []


def test_the_golden_file_is_small():
    assert GOLDEN.stat().st_size < 300_000
