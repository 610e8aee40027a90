"""Each precision's scores beside its outputs; what scores too badly is not written."""

import numpy as np
import pytest

from mtv_perception.data.sample import Dataset
from mtv_perception.export import artefact, report
from mtv_perception.export.artefact import Description
from mtv_perception.export.report import export_precisions
from mtv_perception.labels import WAREHOUSE
from mtv_perception.runtime import load_artefact
from mtv_perception.runtime.artefact import Trained

SCORES = {"dataset": "floor fold:0/5", "images": 3, "map": 0.5, "map50": 0.7, "miou": 0.8}


@pytest.fixture
def export(monkeypatch, contents, network, images, tmp_path):
    """Export in float32 and int8 with given scores of the network (first) and of each precision."""
    monkeypatch.setattr(
        artefact, "convert", lambda network, precision, calibration: contents[precision]
    )

    def run(*scores, largest_drop=0.05):
        found = iter(scores)
        monkeypatch.setattr(
            report, "scores_of", lambda model, dataset, title: {**SCORES, **next(found)}
        )
        dataset = Dataset("floor", WAREHOUSE, ())
        precisions = ("float32", "int8")
        return export_precisions(
            network,
            tmp_path / "m",
            precisions,
            images,
            Description("m", Trained()),
            dataset,
            largest_drop=largest_drop,
        )

    return run


def test_scores_are_written_with_the_data_they_are_of(export, tmp_path):
    reports = export({}, {}, {"miou": 0.76, "map": 0.46})
    assert [item.refused for item in reports] == ["", ""]
    assert load_artefact(tmp_path / "m").spec.metrics == {
        "data": "floor fold:0/5",
        "images": 3,
        "map": 0.5,
        "map50": 0.7,
        "miou": 0.8,
    }
    assert load_artefact(tmp_path / "m" / "int8").spec.metrics["miou"] == 0.76


def test_a_precision_that_scores_too_low_is_refused(export, tmp_path):
    good, bad = export({}, {}, {"map": 0.4})
    assert not good.refused and (tmp_path / "m" / "model.yaml").exists()
    assert (
        bad.refused
        == "Expected int8 to score at most 0.05 below the network, got AP 0.400 of 0.500."
    )
    assert not (tmp_path / "m" / "int8").exists()


def test_the_largest_drop_can_be_chosen(export, tmp_path):
    reports = export({}, {}, {"map": 0.4, "miou": np.nan}, largest_drop=0.2)
    assert "got mIoU nan of 0.800" in reports[1].refused
    assert [item.refused for item in export({}, {}, {"map": 0.4}, largest_drop=0.2)] == ["", ""]


def test_what_the_data_can_not_tell_is_not_judged(export):
    nothing = {"map": None, "miou": None}
    assert [item.refused for item in export(nothing, nothing, nothing)] == ["", ""]
