"""The curves of a run that was killed and resumed hold every step once."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from mtv_perception.training.runs.log import RunLog, messages_to, read_curves


def test_curves_come_back(tmp_path):
    log = RunLog(tmp_path, 0)
    log.scalars(0, {"total": 1.5, "learning_rate": 1e-3})
    log.scalars(10, {"total": 0.1 + 0.2})
    assert read_curves(tmp_path) == {
        "total": [(0, 1.5), (10, 0.1 + 0.2)],
        "learning_rate": [(0, 1e-3)],
    }


def test_a_fresh_log_forgets_an_old_one(tmp_path):
    RunLog(tmp_path, 0).scalars(0, {"total": 1.0})
    RunLog(tmp_path, 0)
    assert read_curves(tmp_path) == {}


def test_resuming_keeps_what_was_logged_before_the_checkpoint(tmp_path):
    """A step's own line comes after the checkpoint of that number, its validation before."""
    log = RunLog(tmp_path, 0)
    log.scalars(90, {"total": 3.0})
    log.scalars(100, {"validation/map": 0.5})
    log.scalars(100, {"total": 2.0})
    log.scalars(110, {"total": 1.0})
    RunLog(tmp_path, 100).scalars(100, {"total": 7.0})
    assert read_curves(tmp_path) == {
        "total": [(90, 3.0), (100, 7.0)],
        "validation/map": [(100, 0.5)],
    }


def test_a_line_cut_off_by_the_kill_is_dropped(tmp_path):
    RunLog(tmp_path, 0).scalars(90, {"total": 3.0})
    with (tmp_path / "curves.csv").open("a") as file:
        file.write("10")
    RunLog(tmp_path, 100)
    assert read_curves(tmp_path) == {"total": [(90, 3.0)]}


def tensorboard_events(folder):
    return [
        (event.step, value.tag)
        for path in folder.glob("events*")
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]


def test_tensorboard_gets_figures_and_pictures(tmp_path):
    log = RunLog(tmp_path, 0)
    log.scalars(3, {"total": 3.0})
    log.images(3, "examples", np.zeros((2, 8, 8, 3), np.uint8))
    tags = {tag for _, tag in tensorboard_events(tmp_path / "tensorboard")}
    assert "total" in tags and any(tag.startswith("examples") for tag in tags)


def test_a_resumed_run_draws_its_own_tensorboard_curves(tmp_path):
    """Those of the killed run can't be taken back, and would zigzag with the new."""
    RunLog(tmp_path, 0).scalars(110, {"total": 1.0})
    RunLog(tmp_path, 100).scalars(105, {"total": 9.0})
    RunLog(tmp_path, 100).scalars(100, {"total": 7.0})
    assert tensorboard_events(tmp_path / "tensorboard") == [(110, "total")]
    assert tensorboard_events(tmp_path / "tensorboard" / "from-100") == [(100, "total")]


def test_messages_are_written_whatever_the_level_and_no_longer_than_asked(tmp_path):
    logger = logging.getLogger("mtv_perception.training.test")
    for name in ("one", "two"):
        with pytest.raises(KeyError), messages_to(tmp_path / name, logger):
            logger.info("about %s", name)
            raise KeyError
    logger.warning("later")
    assert [len((tmp_path / name).read_text().splitlines()) for name in ("one", "two")] == [1, 1]
    assert logger.handlers == [] and logger.level == logging.NOTSET
