import cv2
import numpy as np
import pytest

from mtv_perception.labels import UNLABELED_ID, UNLABELED_RGB, WAREHOUSE, labels_of
from mtv_perception.types import Detections, Result, Segmentation
from mtv_perception.visual.overlay import colour_mask, draw_overlay

RAIL, PERSON = 1, 2
PERSON_RGB = WAREHOUSE.colour(PERSON)


def image(height=240, width=320):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def result(size_hw=(240, 320), boxes=(), class_ids=(), scores=None, mask=None):
    mask = np.zeros(size_hw, np.uint8) if mask is None else mask
    detections = Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores if scores is not None else [0.5] * len(boxes), np.float32),
        np.array(class_ids, np.int32),
    )
    return Result(detections, Segmentation(mask, np.full_like(mask, 255)), size_hw)


def test_a_mask_takes_its_classes_colours():
    class_ids = np.array([[0, RAIL], [PERSON, UNLABELED_ID]], np.uint8)

    assert [tuple(c) for c in colour_mask(class_ids, WAREHOUSE).reshape(-1, 3).tolist()] == [
        (0, 0, 0),
        WAREHOUSE.colour(RAIL),
        PERSON_RGB,
        UNLABELED_RGB,
    ]


def test_an_empty_mask_has_an_empty_colour_mask():
    assert colour_mask(np.empty((0, 5), np.uint8), WAREHOUSE).shape == (0, 5, 3)


def test_the_image_is_not_changed_and_stays_visible():
    picture = image()
    before = picture.copy()

    drawn = draw_overlay(
        picture, result(boxes=[(100, 120, 200, 220)], class_ids=[PERSON]), WAREHOUSE, "12 ms"
    )

    assert np.array_equal(picture, before)
    assert (drawn.shape, drawn.dtype) == (picture.shape, np.uint8)
    # Nothing is drawn inside of the box nor beside it, below the legend.
    assert np.array_equal(drawn[130:210, 110:190], picture[130:210, 110:190])
    assert np.array_equal(drawn[130:210, 210:], picture[130:210, 210:])


@pytest.mark.parametrize("class_id", [RAIL, PERSON])
def test_only_classes_tint(class_id):
    picture = image()
    mask = np.zeros((240, 320), np.uint8)
    mask[150:170, 200:240], mask[180:200, 200:240] = class_id, UNLABELED_ID

    drawn = draw_overlay(picture, result(mask=mask), WAREHOUSE)

    tinted = picture[150:170, 200:240] * 0.55 + np.array(WAREHOUSE.colour(class_id)) * 0.45
    np.testing.assert_allclose(drawn[150:170, 200:240], tinted, atol=1)
    assert np.array_equal(drawn[180:200, 200:240], picture[180:200, 200:240])


def test_a_mask_of_network_size_is_brought_to_the_images_size():
    mask = np.zeros((60, 80), np.uint8)
    mask[40:, 60:] = PERSON
    picture = np.zeros((240, 320, 3), np.uint8)

    drawn = draw_overlay(picture, result(mask=mask), WAREHOUSE)

    assert drawn[160:, 240:].any(2).all()
    assert not drawn[161:, 100:239].any()


def test_a_box_is_drawn_on_its_own_edge_pixels():
    picture = np.zeros((240, 320, 3), np.uint8)

    drawn = draw_overlay(
        picture, result(boxes=[(100, 120, 200, 220)], class_ids=[PERSON]), WAREHOUSE
    )

    for row, column in ((120, 190), (219, 150), (170, 100), (170, 199)):
        assert tuple(drawn[row, column].tolist()) == PERSON_RGB
    assert not drawn[222:, 100:200].any()
    assert not drawn[130:, 202:].any()


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 320, 240),
        (-50, -50, 10, 10),
        (310, 230, 400, 300),
        (5, 5, 5, 5),
        (5.4, 5.4, 5.6, 5.6),
        (1000, 1000, 2000, 2000),
    ],
)
def test_boxes_at_and_over_the_border_are_drawn_as_far_as_they_show(box):
    drawn = draw_overlay(image(), result(boxes=[box], class_ids=[PERSON]), WAREHOUSE)

    assert drawn.shape == (240, 320, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 3), (17, 9), (2000, 40)])
def test_images_smaller_than_the_text(size):
    whole = [(0, 0, size[1], size[0])]

    drawn = draw_overlay(image(*size), result(size, whole, [RAIL]), WAREHOUSE, "footer")

    assert drawn.shape == (*size, 3)


def test_an_empty_result_shows_the_legend_alone():
    picture = np.zeros((240, 320, 3), np.uint8)

    drawn = draw_overlay(picture, result(), WAREHOUSE)

    colours = {tuple(c) for c in drawn.reshape(-1, 3).tolist()}
    assert {WAREHOUSE.colour(i) for i in (1, 2, 3)} <= colours
    assert not drawn[80:].any()


def test_the_footer_stands_at_the_bottom():
    picture = np.full((240, 320, 3), 200, np.uint8)
    plain, footed = (draw_overlay(picture, result(), WAREHOUSE, text) for text in ("", "30 ms"))

    changed = np.flatnonzero((plain != footed).any((1, 2)))
    assert changed.min() > 200
    assert changed.max() >= 238


def test_views_and_read_only_images_can_be_drawn_over():
    picture = image()[:, ::-1, ::-1]
    picture.flags.writeable = False

    drawn = draw_overlay(picture, result(boxes=[(9, 99, 60, 200)], class_ids=[RAIL]), WAREHOUSE)

    copied = draw_overlay(
        np.ascontiguousarray(picture), result(boxes=[(9, 99, 60, 200)], class_ids=[RAIL]), WAREHOUSE
    )
    assert np.array_equal(drawn, copied)


def test_text_reads_on_every_colour():
    labels = labels_of(["background", *"abcdefghij"])
    from mtv_perception.visual.overlay import _ink

    for class_id in range(1, len(labels)):
        colour = labels.colour(class_id)
        grey, ink = (
            cv2.cvtColor(np.uint8([[c]]), cv2.COLOR_RGB2GRAY)[0, 0] for c in (colour, _ink(colour))
        )
        assert abs(int(grey) - int(ink)) > 90
