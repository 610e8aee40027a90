"""Training configurations: the ones that come along are valid, and the newcomer's path names every
key.
"""

from dataclasses import fields
from pathlib import Path

import pytest

from mtv_perception.config import from_mapping, key_of, load, rule_of
from mtv_perception.data.augment import AugmentConfig
from mtv_perception.data.formats.open import DatasetConfig
from mtv_perception.data.targets import MatchConfig
from mtv_perception.errors import ConfigError
from mtv_perception.network.config import NetworkConfig
from mtv_perception.training.config import OptimiserConfig, TrainConfig
from mtv_perception.training.losses.config import LossConfig
from mtv_perception.training.losses.segmentation import SEGMENTATION_LOSSES

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted([*(ROOT / "research").rglob("*.yaml"), *(ROOT / "config/train").glob("*.yaml")])
PARTS = (
    TrainConfig,
    NetworkConfig,
    DatasetConfig,
    AugmentConfig,
    MatchConfig,
    LossConfig,
    OptimiserConfig,
)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configurations_that_come_along_are_valid(path):
    assert load(TrainConfig, path).train


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_key_is_explained(part):
    text = (ROOT / "docs" / "reference" / "training-configuration.md").read_text(encoding="utf-8")
    assert [key_of(item) for item in fields(part) if f"`{key_of(item)}`" not in text] == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stepz": 5}, "unknown key 'stepz' \\(perhaps 'steps'\\); known are network, pretrained"),
        ({"steps": 0}, "steps: expected a number in 1"),
        (
            {"losses": {"weighting": "best"}},
            "weighting: expected one of fixed, uncertainty, uw_so, log",
        ),
        (
            {"losses": {"task_weights": {"clases": 1}}},
            "losses: Expected tasks of classes, boxes, seg.*, got 'clases'",
        ),
        (
            {"losses": {"task_weights": {"boxes": -1}}},
            "losses: Expected weights of tasks of at least 0",
        ),
        (
            {"losses": {"task_weights": {"classes": 0, "boxes": 0, "segmentation": 0}}},
            "a task weight above 0",
        ),
        ({"losses": {"segmentation": {"iou": 1}}}, "lovasz_softmax, got 'iou'"),
        (
            {"losses": {"segmentation": {"dice": -1}}},
            "weights of segmentation losses of at least 0",
        ),
        ({"losses": {"segmentation": {}}}, "a segmentation loss of weight above 0, got {}"),
        ({"optimiser": {"ema": 1.0}}, r"ema: expected a number in 0 \.\. 0.99999"),
        ({"augment": {"flip": 2.0}}, "augment.flip: expected a number in 0"),
        ({"train": [{"path": "x", "take": "half"}]}, "Expected take 'all'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_mistakes_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        from_mapping(TrainConfig, values)


def test_a_task_left_out_has_weight_1():
    config = from_mapping(LossConfig, {"task_weights": {"boxes": 2}})
    assert list(config.task_weights.items()) == [
        ("classes", 1.0),
        ("boxes", 2.0),
        ("segmentation", 1.0),
    ]


def test_without_segmentation_no_loss_of_it_is_needed():
    config = from_mapping(LossConfig, {"task_weights": {"segmentation": 0}, "segmentation": {}})
    assert config.segmentation == {} and config.task_weights["classes"] == 1


def test_a_negative_weight_is_refused_in_python_too():
    with pytest.raises(ValueError, match="weights of tasks of at least 0"):
        LossConfig(task_weights={"boxes": -1.0})


@pytest.mark.parametrize("cls", [NetworkConfig, LossConfig, OptimiserConfig, TrainConfig])
def test_the_page_names_every_choice(cls):
    text = (ROOT / "docs" / "reference" / "training-configuration.md").read_text(encoding="utf-8")
    choices = [choice for item in fields(cls) for choice in rule_of(item).choices]
    choices += SEGMENTATION_LOSSES if cls is LossConfig else []

    assert choices
    assert [choice for choice in choices if f"`{choice}`" not in text] == []


@pytest.mark.parametrize("key", ["pretrained", "initial"])
@pytest.mark.parametrize("none", ["none", '""', ""])
def test_no_weights_can_be_named(tmp_path, key, none):
    """Also on the command line, in place of those of the file."""
    (tmp_path / "file.yaml").write_text(f"{key}: weights.h5\n")

    config = load(TrainConfig, tmp_path / "file.yaml", [f"{key}={none}"])

    assert getattr(config, key) == ""
