"""Targets against a brute-force matcher written from the definition, one pair at a time."""

import numpy as np
import pytest

from mtv_perception.data.scene import EVERYTHING_KNOWN, Scene, class_bits
from mtv_perception.data.targets import MatchConfig, TargetEncoder, match
from mtv_perception.geometry.boxes import xyxy_to_cxcywh
from mtv_perception.network.preset_boxes import reference_boxes, warehouse_boxes

SIZE_HW = (96, 128)
DEFAULTS = warehouse_boxes(SIZE_HW).boxes_xyxy()


def boxes_at(rng, count, size_hw=SIZE_HW):
    low = rng.uniform(0, 0.8, (count, 2)) * size_hw[::-1]
    high = np.minimum(low + np.exp(rng.uniform(1.2, 4.2, (count, 2))), size_hw[::-1])
    return np.concatenate([low, high], 1).astype(np.float32)


def overlap(a, b):
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(
        0.0, min(a[3], b[3]) - max(a[1], b[1])
    )
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return shared / (sum(areas) - shared), shared / areas[1]


def brute_match(boxes, defaults, crowd, config):
    """Who may own each default box: thresholds first, then every object's best ones, the smallest
    object last.
    """
    pairs = np.array(
        [[overlap(box, default) for default in defaults] for box in boxes.astype(float)]
    )
    iou, inside = pairs[..., 0], pairs[..., 1]
    objects = [i for i in range(len(boxes)) if not crowd[i]]
    result = np.full(len(defaults), -1)
    for n in range(len(defaults)):
        if any(inside[i, n] > 0.5 for i in range(len(boxes)) if crowd[i]):
            result[n] = -2
        best = max(objects, key=lambda i: iou[i, n], default=None)
        if best is not None and iou[best, n] >= config.negative_iou:
            result[n] = best if iou[best, n] >= config.positive_iou else -2
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for i in sorted(objects, key=lambda i: -areas[i]):
        order = sorted(range(len(defaults)), key=lambda n: -iou[i, n])
        for rank, n in enumerate(order[: config.best_boxes]):
            if rank == 0 or iou[i, n] >= config.best_iou:
                result[n] = i
    return result


@pytest.mark.parametrize("seed", range(6))
def test_match_equals_brute_force(seed):
    rng = np.random.default_rng(seed)
    boxes = boxes_at(rng, 5)
    crowd = np.array([False, False, True, False, False])
    # Of a regular grid many boxes overlap an object equally; shaken, there are no ties to break.
    defaults = DEFAULTS[rng.permutation(len(DEFAULTS))[:300]] + rng.normal(0, 0.3, (300, 4)).astype(
        np.float32
    )
    found = match(boxes, defaults, crowd, MatchConfig())
    np.testing.assert_array_equal(found, brute_match(boxes, defaults, crowd, MatchConfig()))


@pytest.mark.parametrize(
    "defaults", [DEFAULTS, reference_boxes(SIZE_HW).boxes_xyxy()], ids=["warehouse", "ssd"]
)
def test_every_object_has_a_default_box(defaults):
    for seed in range(60):
        rng = np.random.default_rng(seed)
        boxes = boxes_at(rng, int(rng.integers(1, 9)))
        found = match(boxes, defaults, np.zeros(len(boxes), bool), MatchConfig())
        assert set(range(len(boxes))) <= set(found.tolist()), seed


@pytest.mark.parametrize("best_boxes", [1, 4])
def test_twins_share_what_one_would_take(best_boxes):
    """Two objects in one place want the same default boxes; none may go without."""
    twins = np.float32([[30, 20, 60, 70], [30, 20, 60, 70], [31, 20, 60, 70]])
    found = match(
        twins, DEFAULTS, np.zeros(3, bool), MatchConfig(best_boxes=best_boxes, positive_iou=0.9)
    )
    assert {0, 1, 2} <= set(found.tolist())


def test_no_objects_is_all_background():
    found = match(np.empty((0, 4), np.float32), DEFAULTS, np.empty(0, bool), MatchConfig())
    assert (found == -1).all() and found.dtype == np.int64


def test_crowds_are_neither_object_nor_background():
    crowd = np.float32([[20, 20, 100, 90]])
    found = match(crowd, DEFAULTS, np.array([True]), MatchConfig())
    assert set(found.tolist()) == {-1, -2}
    inner = DEFAULTS[found == -2]
    centres = xyxy_to_cxcywh(inner)[:, :2]
    assert ((centres > crowd[0, :2] - 1) & (centres < crowd[0, 2:] + 1)).all()


def test_an_object_inside_a_crowd_is_still_found():
    boxes = np.float32([[20, 20, 100, 90], [40, 30, 60, 70]])
    found = match(boxes, DEFAULTS, np.array([True, False]), MatchConfig())
    assert (found == 1).any() and not (found == 0).any()


def scene_of(boxes, class_ids, truth=None):
    if truth is None:
        truth = np.zeros((*SIZE_HW, 3), np.uint16)
        truth[..., 1:] = EVERYTHING_KNOWN
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    return Scene(
        np.zeros((*SIZE_HW, 3), np.uint8),
        boxes,
        np.int32(class_ids),
        np.zeros(len(boxes), bool),
        truth,
    )


@pytest.fixture
def encode():
    return TargetEncoder(DEFAULTS, (24, 32), MatchConfig())


def test_encoder_gives_class_and_box_of_the_matched_object(encode):
    boxes = [[10, 10, 50, 60], [70, 20, 120, 80]]
    targets = encode(scene_of(boxes, [3, 1]))
    for box, class_id in zip(boxes, (3, 1), strict=True):
        owned = targets.classes == class_id
        assert owned.any() and (targets.boxes_xyxy[owned] == box).all()
        assert len(set(targets.objects[owned].tolist())) == 1
    assert not targets.boxes_xyxy[targets.classes <= 0].any()
    assert {-1, 0, 1, 3} == set(targets.classes.tolist())
    assert set(targets.objects[targets.classes > 0].tolist()) == {0, 1}
    assert (targets.objects[targets.classes <= 0] == -1).all() and targets.objects.dtype == np.int16
    kinds = [
        array.dtype for array in (targets.classes, targets.boxes_xyxy, targets.known, targets.mask)
    ]
    assert (
        kinds == [np.int8, np.float32, np.uint16, np.uint8]
        and targets.mask_known.dtype == np.uint16
    )


def test_what_is_unknown_stays_unknown(encode):
    """The left half has persons boxed and masked, the right half nothing."""
    truth = np.zeros((*SIZE_HW, 3), np.uint16)
    truth[:, :64] = (0, class_bits([2]), class_bits([2]))
    truth[:, 64:] = (255, 0, 0)
    targets = encode(scene_of([], [], truth))
    x = xyxy_to_cxcywh(DEFAULTS)[:, 0]
    assert (targets.known[x < 63] == 0b0100).all() and not targets.known[x > 65].any()
    assert (targets.mask[:, :16] == 0).all() and (targets.mask[:, 16:] == 255).all()
    assert (targets.mask_known[:, :16] == 0b0100).all() and not targets.mask_known[:, 16:].any()


def test_mask_cells_are_read_at_their_middle(encode):
    truth = np.zeros((*SIZE_HW, 3), np.uint16)
    truth[2::4, 2::4, 0] = 3
    assert (encode(scene_of([], [], truth)).mask == 3).all()


@pytest.mark.parametrize(("mask_hw", "stride"), [((24, 32), 4), ((48, 64), 2), ((96, 128), 1)])
def test_the_four_phases_read_the_pixels_around_a_cells_middle(mask_hw, stride):
    """Their mean position is the middle, (i + .5) * stride in continuous coordinates, where the
    robot reads a cell.
    """
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    encoder = TargetEncoder(DEFAULTS, mask_hw, MatchConfig())
    for plane in (x, y):
        truth = np.zeros((*SIZE_HW, 3), np.uint16)
        truth[..., 2] = plane
        read = [
            encoder(scene_of([], [], truth), phase).mask_known.astype(float) for phase in range(4)
        ]
        cells = np.mgrid[: mask_hw[0], : mask_hw[1]][1 if plane is x else 0]
        np.testing.assert_array_equal(np.mean(read, 0) + 0.5, (cells + 0.5) * stride)
        assert max(np.ptp(read, 0).max(), 1) == 1


def test_default_boxes_that_stick_out_read_the_nearest_pixel():
    defaults = np.float32([[-30, -30, 10, 10], [110, 80, 180, 150]])
    truth = np.zeros((*SIZE_HW, 3), np.uint16)
    truth[0, 0, 1], truth[-1, -1, 1] = 0b10, 0b100
    targets = TargetEncoder(defaults, (24, 32), MatchConfig())(scene_of([], [], truth))
    assert targets.known.tolist() == [0b10, 0b100]
