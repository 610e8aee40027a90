"""Scenes under warps: image, boxes and mask move together, and what is not known stays unknown."""

import numpy as np
import pytest

from mtv_perception.data.sample import Sample
from mtv_perception.data.scene import (
    EVERYTHING_KNOWN,
    Scene,
    class_bits,
    fit_matrix,
    keep_visible,
    load_scene,
    scale_shift,
    warp_scene,
)
from mtv_perception.errors import DatasetError

RED, GREY = (220, 30, 30), (110, 110, 110)


def rectangle(size_hw, *boxes, class_id=2):
    """Red rectangles on grey; every class known."""
    image = np.full((*size_hw, 3), GREY, np.uint8)
    truth = np.zeros((*size_hw, 3), np.uint16)
    truth[..., 1:] = EVERYTHING_KNOWN
    for x0, y0, x1, y1 in boxes:
        image[y0:y1, x0:x1] = RED
        truth[y0:y1, x0:x1, 0] = class_id
    count = len(boxes)
    return Scene(
        image,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(count, class_id, np.int32),
        np.zeros(count, bool),
        truth,
    )


def extent(truth, class_id=2):
    """The box around a class's pixels."""
    y, x = np.nonzero(truth[..., 0] == class_id)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float32)


def test_flip_is_exact():
    """A mirror image moves pixel x to width - 1 - x and a box's edge x to width - x: no pixel is
    lost.
    """
    scene = rectangle((40, 60), (5, 7, 25, 31))
    scene.image[3, 0] = 255
    flipped = warp_scene(scene, np.array([[-1.0, 0, 60], [0, 1.0, 0]]), (40, 60))
    np.testing.assert_array_equal(flipped.image, scene.image[:, ::-1])
    np.testing.assert_array_equal(flipped.truth, scene.truth[:, ::-1])
    np.testing.assert_array_equal(flipped.boxes_xyxy, [[35, 7, 55, 31]])
    np.testing.assert_array_equal(extent(flipped.truth), flipped.boxes_xyxy[0])


def test_the_identity_changes_nothing():
    scene = rectangle((40, 60), (5, 7, 25, 31))
    same = warp_scene(scene, scale_shift(1, 1, 0, 0), (40, 60))
    for name in ("image", "boxes_xyxy", "truth"):
        np.testing.assert_array_equal(getattr(same, name), getattr(scene, name))


@pytest.mark.parametrize("scale", [0.4, 0.75, 1.6, 3.0])
@pytest.mark.parametrize("mirror", [1, -1])
def test_box_mask_and_colour_stay_together(scale, mirror):
    scene = rectangle((80, 120), (30, 20, 70, 62))
    matrix = scale_shift(
        mirror * scale, scale * 0.9, 11.3 if mirror > 0 else 120 * scale + 3.7, 2.4
    )
    size_hw = (int(80 * scale), int(125 * scale))
    warped = warp_scene(scene, matrix, size_hw)
    np.testing.assert_allclose(warped.boxes_xyxy[0], extent(warped.truth), atol=1)
    inside = warped.image[warped.truth[..., 0] == 2].astype(int)
    assert (np.abs(inside - RED).max(1) < 40).mean() > 0.85
    outside = warped.image[(warped.truth[..., 0] == 0)].astype(int)
    assert (np.abs(outside - GREY).max(1) < 40).mean() > 0.9


def test_outside_the_source_is_border_without_objects_and_without_mask():
    warped = warp_scene(
        rectangle((40, 60), (5, 7, 25, 31)), scale_shift(1, 1, 10, 0), (40, 80), border=99
    )
    assert (warped.image[:, :10] == 99).all() and (warped.image[:, 70:] == 99).all()
    assert (warped.truth[:, :10] == (255, EVERYTHING_KNOWN, 0)).all()
    assert (warped.truth[:, 10:70, 2] == EVERYTHING_KNOWN).all()


def test_a_box_mostly_outside_is_crowd_and_one_outside_is_gone():
    scene = rectangle((100, 100), (0, 0, 20, 20), (40, 40, 60, 60), (70, 70, 100, 100))
    cut = warp_scene(scene, scale_shift(1, 1, -55, -10), (100, 100))
    np.testing.assert_array_equal(cut.boxes_xyxy, [[0, 30, 5, 50], [15, 60, 45, 90]])
    assert cut.crowd.tolist() == [True, False]


def test_no_boxes_stay_no_boxes():
    empty = rectangle((40, 60))
    warped = warp_scene(empty, fit_matrix((40, 60), (64, 64)), (64, 64))
    assert warped.boxes_xyxy.shape == (0, 4) and warped.class_ids.shape == warped.crowd.shape == (
        0,
    )
    assert keep_visible(empty).boxes_xyxy.shape == (0, 4)


@pytest.mark.parametrize("target_hw", [(64, 64), (128, 96), (33, 70)])
def test_fit_matrix_letterboxes_in_the_middle(target_hw):
    matrix = fit_matrix((40, 60), target_hw)
    corners = np.array([[0, 0], [60, 40]]) * np.diag(matrix[:, :2]) + matrix[:, 2]
    np.testing.assert_allclose(corners.mean(0), [target_hw[1] / 2, target_hw[0] / 2])
    sides = corners[1] - corners[0]
    assert (
        np.isclose(sides, target_hw[::-1]).any()
        and (sides <= np.array(target_hw[::-1]) + 1e-9).all()
    )


def test_load_scene_says_what_is_known(tmp_path, write_image, write_mask):
    image, mask = write_image(tmp_path / "a.png"), write_mask(tmp_path / "m.png", 2)
    boxes = {
        "boxes_xyxy": np.float32([[1, 2, 20, 30]]),
        "class_ids": np.int32([2]),
        "crowd": np.array([False]),
    }
    scene = load_scene(
        Sample(image, (40, 60), **boxes, mask_path=mask, box_classes=(2, 3), mask_classes=(2,))
    )
    assert (scene.truth == (2, 0b1100, 0b0100)).all() and scene.size_hw == (40, 60)
    unmasked = load_scene(Sample(image, (40, 60), **boxes, box_classes=(2,)))
    assert (unmasked.truth == (255, 0b0100, 0)).all()


def test_a_mask_of_another_size_is_an_error(tmp_path, write_image, write_mask):
    image, mask = (
        write_image(tmp_path / "a.png"),
        write_mask(tmp_path / "m.png", 2, size_hw=(20, 20)),
    )
    with pytest.raises(DatasetError, match=r"a\.png|m\.png"):
        load_scene(Sample(image, (40, 60), mask_path=mask))


def test_class_bits():
    assert class_bits(()) == 0 and class_bits((1, 3, 3)) == 0b1010
