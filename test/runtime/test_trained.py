import numpy as np
import pytest

from mtv_perception.config import from_mapping
from mtv_perception.errors import ConfigError
from mtv_perception.runtime.artefact import ModelSpec, Trained
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig

SIZE_HW = (32, 64)
IMAGE = np.full((*SIZE_HW, 3), 90, np.uint8)
COUNT = 4 * 8
RAIL, PERSON, FORKLIFT = 1, 2, 3


def logits_of_every_class():
    """One box of each class, surest of the last."""
    logits = np.full((COUNT, 3), -20, np.float32)
    logits[[0, 2, 4], [0, 1, 2]] = (1, 2, 30)
    return logits


def stripes():
    """Segmentation logits of three stripes, one of each class."""
    logits = np.zeros((8, 16, 4), np.float32)
    for index, columns in enumerate((slice(0, 4), slice(4, 8), slice(8, 12), slice(12, 16))):
        logits[:, columns, index] = 10
    return logits


DEFAULT = PerceiverConfig()


def perceive(fake_model, config=DEFAULT, **trained):
    model = fake_model(
        class_logits=logits_of_every_class(), segmentation=stripes(), trained=Trained(**trained)
    )
    return Perceiver(model, config)(IMAGE)


def test_an_artefact_that_says_nothing_was_trained_for_all(fake_model):
    result = perceive(fake_model)
    assert sorted(result.detections.class_ids) == [1, 2, 3]
    assert set(np.unique(result.segmentation.class_ids)) == {0, 1, 2, 3}


@pytest.mark.parametrize("boxes", [(), ("person",), ("rail", "forklift")])
@pytest.mark.parametrize("config", [PerceiverConfig(), PerceiverConfig(score_threshold=0.01)])
def test_no_box_of_a_class_that_was_never_boxed(fake_model, boxes, config):
    found = perceive(fake_model, config, boxes=boxes).detections
    assert {ModelSpec("x").labels.names[i] for i in found.class_ids} == set(boxes)


def test_untrained_classes_take_no_place_of_trained_ones(fake_model):
    config = PerceiverConfig(max_detections=1, max_candidates=1)
    found = perceive(fake_model, config, boxes=("rail",)).detections
    assert found.class_ids.tolist() == [RAIL]


@pytest.mark.parametrize("masks", [("person",), ("rail", "forklift")])
def test_pixels_of_a_class_that_was_never_masked_are_unlabelled(fake_model, masks):
    pixels = perceive(fake_model, masks=masks).segmentation.class_ids
    names = ModelSpec("x").labels.names
    known = {0, *(names.index(name) for name in masks)}
    for class_id, column in ((0, 4), (RAIL, 24), (PERSON, 40), (FORKLIFT, 60)):
        expected = class_id if class_id in known else 255
        assert (pixels[:, column] == expected).all()


@pytest.mark.parametrize("mask_size", ["source", "network"])
def test_a_model_without_masks_says_nothing_of_any_pixel(fake_model, mask_size):
    config = PerceiverConfig(mask_size=mask_size)
    found = perceive(fake_model, config, masks=()).segmentation
    assert found.class_ids.shape == found.confidence.shape == SIZE_HW
    assert (found.class_ids == 255).all() and not found.confidence.any()


def test_detections_are_not_dropped_by_a_mask_that_was_never_trained(fake_model):
    with pytest.raises(ConfigError, match="not trained to mask it"):
        perceive(fake_model, PerceiverConfig(suppress_absent=("forklift",)), masks=("rail",))


@pytest.mark.parametrize(
    ("values", "boxes", "masks"),
    [
        ({}, ("a", "b"), ("a", "b")),
        ({"trained": {}}, ("a", "b"), ("a", "b")),
        ({"trained": {"masks": []}}, ("a", "b"), ()),
        ({"trained": {"boxes": ["b"], "masks": None}}, ("b",), ("a", "b")),
        ({"trained": {"boxes": ["b", "a"], "masks": ["a"]}}, ("a", "b"), ("a",)),
    ],
)
def test_the_description_names_them(values, boxes, masks):
    spec = from_mapping(ModelSpec, {"name": "x", "classes": ["background", "a", "b"], **values})
    assert (spec.box_classes, spec.mask_classes) == (boxes, masks)


@pytest.mark.parametrize("name", ["c", "background"])
def test_a_name_that_is_no_class_is_refused(name):
    values = {"name": "x", "classes": ["background", "a"], "trained": {"masks": [name]}}
    with pytest.raises(ConfigError, match=f"got '{name}'"):
        from_mapping(ModelSpec, values)
