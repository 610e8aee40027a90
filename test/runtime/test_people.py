import math

import numpy as np
import pytest

from mtv_perception.errors import ConfigError
from mtv_perception.runtime.artefact import Trained
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig

SIZE_HW = (32, 64)
CELLS_HW = (8, 16)
IMAGE = np.full((*SIZE_HW, 3), 90, np.uint8)
COUNT = 4 * 8
RAIL, PERSON, FORKLIFT = 1, 2, 3


def logits_of(*entries, classes=3):
    """Logits of 4 x 8 default boxes of 8x8 pixels; entries are row, column, class id, score."""
    logits = np.full((COUNT, classes), -20, np.float32)
    for row, column, class_id, score in entries:
        logits[row * 8 + column, class_id - 1] = math.log(score / (1 - score))
    return logits


def mask_of(*cells, class_id=PERSON, classes=3):
    """Segmentation logits: background but for some cells."""
    logits = np.zeros((*CELLS_HW, classes + 1), np.float32)
    logits[..., 0] = 10
    for cell in cells:
        logits[(*cell, class_id)] = 20
    return logits


def people_of(model, image=IMAGE, **config):
    return Perceiver(model, PerceiverConfig(anonymise=True, **config))(image).people


def rectangle(top, left, bottom, right):
    cells = np.zeros(CELLS_HW, bool)
    cells[top:bottom, left:right] = True
    return cells


def test_without_anonymise_nobody_looks_for_people(fake_model):
    model = fake_model(class_logits=logits_of((0, 0, PERSON, 0.9)))

    assert Perceiver(model)(IMAGE).people is None


@pytest.mark.parametrize("score", [0.09, 0.2, 0.35, 0.9])
def test_boxes_from_a_low_score_on_are_people_and_detections_stay(fake_model, score):
    model = fake_model(class_logits=logits_of((1, 2, PERSON, score)))
    plain = Perceiver(model)(IMAGE)

    result = Perceiver(model, PerceiverConfig(anonymise=True))(IMAGE)

    # Cells of 4 pixels: the box is 4..6 by 2..4, and its margin touches one more all around.
    assert np.array_equal(result.people, rectangle(1, 3, 5, 7))
    assert np.array_equal(result.detections.boxes_xyxy, plain.detections.boxes_xyxy)
    assert np.array_equal(result.detections.scores, plain.detections.scores)


@pytest.mark.parametrize("class_id", [RAIL, FORKLIFT])
def test_what_is_no_person_stays(fake_model, class_id):
    model = fake_model(
        class_logits=logits_of((1, 2, class_id, 0.9)),
        segmentation=mask_of((4, 4), class_id=class_id),
    )

    assert not people_of(model).any()


@pytest.mark.parametrize(
    "config", [{}, {"mask_threshold": 0.99}, {"mask_size": "network"}, {"score_threshold": 0.99}]
)
def test_the_mask_and_its_neighbours_are_people_whatever_is_reported(fake_model, config):
    people = people_of(fake_model(segmentation=mask_of((4, 5), (4, 6))), **config)

    assert np.array_equal(people, rectangle(3, 4, 6, 8))


@pytest.mark.parametrize(
    "config",
    [
        {"max_detections": 1},
        {"max_per_class": 1},
        {"max_candidates": 1},
        {"iou_threshold": 0.0},
        {"suppress_absent": ("person",)},
    ],
    ids=str,
)
def test_no_limit_of_detections_limits_people(fake_model, config):
    entries = [(row, column, PERSON, 0.5) for row in range(4) for column in range(8)]

    assert people_of(fake_model(class_logits=logits_of(*entries)), **config).all()


@pytest.mark.parametrize("score", [0.05, 0.02])
def test_every_reported_person_is_hidden_too(fake_model, score):
    model = fake_model(class_logits=logits_of((1, 2, PERSON, score)))

    assert not people_of(model).any()
    assert people_of(model, score_threshold=score / 2).any()
    assert people_of(model, class_score_thresholds=(f"person={score / 2}",)).any()
    assert people_of(model, anonymise_score=score / 2).any()


def test_cells_are_those_of_the_image_inside_the_padding(fake_model):
    portrait = np.zeros((64, 32, 3), np.uint8)
    model = fake_model(class_logits=logits_of((1, 3, PERSON, 0.9), (1, 0, PERSON, 0.9)))

    people = people_of(model, portrait)

    # The image is 16 wide from column 24 on: 4 cells; the second box is in the padding.
    assert people.shape == (8, 4)
    assert np.array_equal(people, rectangle(1, 0, 5, 3)[:, :4])


@pytest.mark.parametrize(
    ("names", "wanted", "hidden"),
    [
        (("forklift", "person"), (), {"person"}),
        (("Worker", "agv"), (), {"Worker"}),
        (("warehouse_worker", "pallet", "visitor"), (), {"warehouse_worker", "visitor"}),
        (("picker", "truck"), ("picker",), {"picker"}),
        (("person", "picker", "truck"), ("picker", "person"), {"person", "picker"}),
    ],
)
def test_people_follow_the_names_not_the_numbers(fake_model, names, wanted, hidden):
    for class_id, name in enumerate(names, start=1):
        logits = logits_of((1, 2, class_id, 0.9), classes=len(names))
        model = fake_model(
            class_logits=logits,
            segmentation=mask_of(classes=len(names)),
            classes=("background", *names),
        )

        assert people_of(model, anonymise_classes=wanted).any() == (name in hidden), name


@pytest.mark.parametrize(
    ("names", "trained", "wanted", "message"),
    [
        (("rail", "forklift"), Trained(), (), "a class of people, fake has rail, forklift"),
        (("rail", "person"), Trained(boxes=("rail",)), (), "to box 'person', .* to box rail"),
        (("rail", "person"), Trained(boxes=()), (), "to box 'person', .* to box nothing"),
        (("rail", "person"), Trained(), ("picker",), "a class of rail, person, got 'picker'"),
    ],
)
def test_a_model_that_cannot_find_people_is_refused(fake_model, names, trained, wanted, message):
    model = fake_model(
        class_logits=logits_of(classes=2),
        segmentation=mask_of(classes=2),
        classes=("background", *names),
        trained=trained,
    )

    Perceiver(model)
    with pytest.raises(ConfigError, match=message):
        Perceiver(model, PerceiverConfig(anonymise=True, anonymise_classes=wanted))


def test_a_model_without_masks_hides_boxes(fake_model):
    model = fake_model(
        class_logits=logits_of((1, 2, PERSON, 0.9)),
        segmentation=mask_of((7, 15)),
        trained=Trained(masks=()),
    )

    assert np.array_equal(people_of(model), rectangle(1, 3, 5, 7))
