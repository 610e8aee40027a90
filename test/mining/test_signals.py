"""Why a frame is worth labelling: each reason appears where it holds, and only there."""

from dataclasses import replace

import numpy as np
import pytest

from mtv_perception.labels import LabelSet
from mtv_perception.mining.flicker import flickers
from mtv_perception.mining.signals import DISAGREE, UNCERTAIN, Judge, Signal, worth
from mtv_perception.runtime.artefact import ModelSpec, Trained
from mtv_perception.types import Detections, Result, Segmentation

SPEC = ModelSpec("test")
LABELS = SPEC.labels
PERSON, FORKLIFT = LABELS.id_of("person"), LABELS.id_of("forklift")
THRESHOLDS = np.array([0.4, 0.4, 0.4])
HW = (48, 64)


def detections(*rows):
    """Of rows of class id, score, box."""
    return Detections(
        np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[0] for row in rows], np.int32),
    )


def result(found=None, pixels=(), size_hw=HW, confidence=200):
    """A frame; `pixels` are rows of class id and box in the mask."""
    mask = np.zeros(HW, np.uint8)
    for class_id, (x0, y0, x1, y1) in pixels:
        mask[y0:y1, x0:x1] = class_id
    return Result(
        found or Detections(), Segmentation(mask, np.full(HW, confidence, np.uint8)), size_hw
    )


def kinds(signals):
    return [signal.kind for signal in signals]


def judge(**trained):
    return Judge(replace(SPEC, trained=Trained(**trained)), THRESHOLDS)


BOX = (10, 10, 22, 30)


@pytest.mark.parametrize(("score", "doubt"), [(0.4, 0.5), (0.3, 0.25), (0.55, 0.25), (0.9, 0)])
def test_doubt_is_half_at_the_threshold_and_falls_on_both_sides(score, doubt):
    # The mask agrees with what is above the threshold.
    pixels = [(PERSON, BOX)] if score >= 0.4 else []
    found = judge().signals(result(detections((PERSON, score, BOX)), pixels))

    assert [round(signal.value, 5) for signal in found] == ([doubt] if doubt else [])
    for signal in found:
        assert signal.kind == UNCERTAIN
        assert f"person at 16, 20 with score {score:.2f}, threshold 0.40" in signal.text


def test_more_doubts_weigh_more_and_are_told():
    rows = [(PERSON, 0.38, (4 + 14 * i, 5, 12 + 14 * i, 25)) for i in range(3)]
    one, three = (judge().signals(result(detections(*rows[:n])))[0] for n in (1, 3))

    assert three.value > one.value
    assert "more" not in one.text and "and 2 more" in three.text


def test_a_weak_box_inside_a_good_one_is_a_part_of_it():
    whole, part = (PERSON, 0.95, (10, 10, 22, 40)), (0.38, (11, 10, 20, 22))
    pixels = [(PERSON, (10, 10, 22, 40))]

    same = judge().signals(result(detections(whole, (PERSON, *part)), pixels))
    other = judge().signals(result(detections(whole, (FORKLIFT, *part)), pixels))

    assert kinds(same) == [] and kinds(other) == [UNCERTAIN]


@pytest.mark.parametrize("scale", [1, 2.5])
def test_a_box_without_pixels_and_pixels_without_a_box_disagree(scale):
    size_hw = round(HW[0] * scale), round(HW[1] * scale)
    box = tuple(value * scale for value in BOX)
    lonely_box = judge().signals(result(detections((PERSON, 0.95, box)), (), size_hw))
    lonely_mask = judge().signals(result(None, [(PERSON, BOX)], size_hw))
    x, y = round(16 * scale), round(20 * scale)

    assert kinds(lonely_box) == kinds(lonely_mask) == [DISAGREE]
    assert f"person boxed at {x}, {y} with score 0.95, 0% of it" in lonely_box[0].text
    assert f"person in the mask at {x}, {y}, 7.8% of the image" in lonely_mask[0].text
    assert lonely_box[0].value == pytest.approx(0.95)
    assert lonely_mask[0].value == pytest.approx(200 / 255)


@pytest.mark.parametrize(
    ("found", "pixels"),
    [
        ((PERSON, 0.95, BOX), (PERSON, BOX)),
        ((PERSON, 0.95, BOX), (PERSON, (9, 9, 23, 32))),  # the mask is a little larger
        ((PERSON, 0.95, BOX), (PERSON, (12, 12, 15, 20))),  # a part of the box
        (None, (PERSON, (10, 10, 12, 12))),  # a speck
    ],
)
def test_where_box_and_mask_agree_nothing_is_said(found, pixels):
    rows = [found] if found else []
    assert judge().signals(result(detections(*rows), [pixels])) == []


@pytest.mark.parametrize(
    "trained", [{"masks": ()}, {"masks": ("forklift",)}, {"boxes": ("forklift",)}]
)
def test_classes_that_the_model_was_not_trained_for_never_disagree(trained):
    boxes_person = "person" in replace(SPEC, trained=Trained(**trained)).box_classes
    found = detections((PERSON, 0.95, BOX)) if boxes_person else Detections()
    pixels = [] if boxes_person else [(PERSON, BOX)]

    assert judge(**trained).signals(result(found, pixels)) == []


def test_worth_joins_the_best_signal_of_each_kind():
    signals = [Signal(UNCERTAIN, 0.5, ""), Signal(UNCERTAIN, 0.2, ""), Signal(DISAGREE, 0.5, "")]

    assert worth([]) == 0
    assert worth(signals) == pytest.approx(0.75)


def sequence(*frames, step=0.1):
    """Frames at steady steps; each lists left edges of people."""
    rows = [[(PERSON, 0.8, (x, 10, x + 12, 40)) for x in xs] for xs in frames]
    return [(round(i * step * 1e9), detections(*row)) for i, row in enumerate(rows)]


@pytest.mark.parametrize(
    ("frames", "places"),
    [
        ([[10], [11], [], [13], [14]], [2]),
        ([[10], [11], [], [], [14], [15]], [2, 3]),
        ([[10, 40], [10, 40], [40], [10, 40]], [2]),  # beside another that stays
        ([[], [], [20], [], []], [2]),
        ([[], [20], [21], []], [1, 2]),
        ([[10], [11], [12]], []),
        ([[20], [], []], []),  # it may have left before the sequence began
        ([[], [], [20]], []),
        ([[], [10], [11], [12], []], []),
        ([[0], [30], [60], [90], [120]], []),  # one that moves too far to be followed
    ],
)
def test_gaps_and_moments_are_found_and_motion_is_not(frames, places):
    found = flickers(sequence(*frames), LABELS)

    assert sorted(found) == places
    assert all("person" in signal.text for signals in found.values() for signal in signals)
    assert all(s.value == pytest.approx(0.8) for signals in found.values() for s in signals)


def test_a_gap_longer_than_the_memory_is_no_gap():
    frames = [[10], [10], *[[] for _ in range(14)], [10], [10]]

    assert flickers(sequence(*frames), LABELS) == {}


def test_names_are_those_of_the_model():
    labels = LabelSet(("background", "rail", "worker", "truck"))
    found = flickers(sequence([10], [10], [], [10]), labels)

    assert "worker" in found[2][0].text
