import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.labels import UNLABELED_ID
from mtv_perception.runtime.mask import (
    best_classes,
    classes_and_confidence,
    logit_planes,
    segment,
)
from mtv_perception.runtime.outputs import Tensor

NETWORK_HW = (48, 64)
STRIDE = 4
CELLS_HW = (NETWORK_HW[0] // STRIDE, NETWORK_HW[1] // STRIDE)


def float_logits(seed, classes, spread):
    return Tensor(
        np.random.default_rng(seed).normal(0, spread, (*CELLS_HW, classes)).astype(np.float32)
    )


def int8_logits(seed, classes, spread):
    values = np.random.default_rng(seed).integers(-128, 128, (*CELLS_HW, classes)).astype(np.int8)
    return Tensor(values, spread / 60, 17)


FORMATS = {"float32": float_logits, "int8": int8_logits}
formats = pytest.mark.parametrize("number_format", FORMATS)


def taps(count, length):
    """The two cells and the second one's weight for every pixel, half-pixel centres, border cells
    repeated.
    """
    position = np.clip((np.arange(length) + 0.5) * count / length - 0.5, 0, count - 1)
    low = np.minimum(np.floor(position).astype(int), count - 1)
    return low, np.minimum(low + 1, count - 1), position - low


def bilinear(logits, size_hw):
    """Logits (h, w, C) at every pixel, in float64."""
    low, high, weight = taps(logits.shape[0], size_hw[0])
    rows = logits[low] * (1 - weight)[:, None, None] + logits[high] * weight[:, None, None]
    low, high, weight = taps(logits.shape[1], size_hw[1])
    return rows[:, low] * (1 - weight)[None, :, None] + rows[:, high] * weight[None, :, None]


def brute_force(tensor, letterbox, size_hw):
    real = (tensor.values.astype(np.float64) - tensor.zero_point) * tensor.scale
    top, left = (offset // STRIDE for offset in letterbox.offset_yx)
    height, width = (side // STRIDE for side in letterbox.inner_hw)
    return bilinear(real[top : top + height, left : left + width], size_hw)


@formats
@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    source=st.tuples(st.integers(1, 150), st.integers(1, 150)),
    classes=st.integers(2, 6),
    spread=st.sampled_from([0.1, 1.0, 8.0]),
    at_network_size=st.booleans(),
)
def test_classes_are_the_best_of_float_interpolation(
    number_format, seed, source, classes, spread, at_network_size
):
    tensor = FORMATS[number_format](seed, classes, spread)
    letterbox = Letterbox.fit(source, NETWORK_HW, STRIDE)
    size_hw = letterbox.inner_hw if at_network_size else source
    logits = brute_force(tensor, letterbox, size_hw)
    # 8-bit planes: half a step from spreading floats over them, half a step and a little from
    # interpolating.
    tolerance = 2.6 * logit_planes(tensor)[1]

    found = segment(tensor, letterbox, size_hw, 0.0)

    chosen = np.take_along_axis(logits, found.class_ids[..., None].astype(int), 2)[..., 0]
    assert (chosen >= logits.max(2) - tolerance).all()
    ranked = np.sort(logits, 2)
    clear = ranked[..., -1] - ranked[..., -2] > tolerance
    assert np.array_equal(found.class_ids[clear], logits.argmax(2)[clear])
    lead = ranked[..., -1] - ranked[..., -2]
    lowest, highest = (
        255 / (1 + np.exp(-np.maximum(lead + change, 0))) for change in (-tolerance, tolerance)
    )
    assert (found.confidence >= np.floor(lowest)).all()
    assert (found.confidence <= np.ceil(highest)).all()


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 4), (4, 1), (2, 2), (1, 7), (3, 5)])
@pytest.mark.parametrize("winner", [0, 1, 3])
def test_the_smallest_masks(size_hw, winner):
    logits = np.zeros((*CELLS_HW, 4), np.float32)
    logits[..., winner] = 5

    found = segment(Tensor(logits), Letterbox.fit(size_hw, NETWORK_HW), size_hw, 0.9)

    assert found.class_ids.shape == found.confidence.shape == size_hw
    assert (found.class_ids == winner).all()
    assert (found.class_ids.dtype, found.confidence.dtype) == (np.uint8, np.uint8)


@pytest.mark.parametrize(
    ("values", "winner"),
    [((0, 0, 0), 0), ((-1, 3, 3), 1), ((3, -1, 3), 0), ((1, 2, 2), 1), ((-5, -5, -4), 2)],
)
@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_the_lowest_id_wins_a_tie(values, winner, dtype):
    logits = Tensor(np.broadcast_to(np.array(values, dtype), (*CELLS_HW, 3)).copy(), 1.0, 0)

    found = segment(logits, Letterbox.fit(NETWORK_HW, NETWORK_HW), NETWORK_HW, 0.0)

    assert (found.class_ids == winner).all()


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
@pytest.mark.parametrize("lead", [0, 1, 2, 4])
def test_confidence_is_the_share_against_the_strongest_rival(dtype, lead):
    logits = np.zeros((*CELLS_HW, 4), dtype)
    logits[..., 2], logits[..., 3] = lead, -3

    found = segment(Tensor(logits, 1.0, 0), Letterbox.fit(NETWORK_HW, NETWORK_HW), NETWORK_HW, 0.0)

    np.testing.assert_allclose(found.confidence, 255 / (1 + np.exp(-lead)), atol=1)


@pytest.mark.parametrize(
    ("threshold", "unlabelled"),
    [(0.0, False), (0.5, False), (0.72, False), (0.74, True), (1.0, True)],
)
def test_pixels_below_the_threshold_are_unlabelled(threshold, unlabelled):
    logits = np.zeros((*CELLS_HW, 4), np.int8)
    logits[..., 2] = 1  # A lead of 1 is a share of 0.731.

    found = segment(
        Tensor(logits, 1.0, 0), Letterbox.fit(NETWORK_HW, NETWORK_HW), NETWORK_HW, threshold
    )

    assert (found.class_ids == (UNLABELED_ID if unlabelled else 2)).all()
    assert (found.confidence == round(0.731 * 255)).all()


def test_only_unsure_pixels_are_unlabelled():
    logits = np.zeros((*CELLS_HW, 2), np.int8)
    logits[:, : CELLS_HW[1] // 2, 1] = 100
    logits[:, CELLS_HW[1] // 2 :, 0] = 100
    letterbox = Letterbox.fit(NETWORK_HW, NETWORK_HW)

    found = segment(Tensor(logits, 0.1, 0), letterbox, NETWORK_HW, 0.95)

    assert found.class_ids[0, 0] == 1
    assert found.class_ids[0, -1] == 0
    assert found.class_ids[0, NETWORK_HW[1] // 2] == UNLABELED_ID
    assert np.array_equal(found.class_ids == UNLABELED_ID, found.confidence < round(0.95 * 255))


def test_threshold_1_keeps_what_is_certain():
    logits = np.zeros((*CELLS_HW, 2), np.float32)
    logits[..., 1] = 50

    found = segment(Tensor(logits), Letterbox.fit(NETWORK_HW, NETWORK_HW), NETWORK_HW, 1.0)

    assert (found.class_ids == 1).all()


def test_what_the_padding_says_does_not_reach_the_mask():
    letterbox = Letterbox.fit((36, 128), NETWORK_HW)
    logits = np.full((*CELLS_HW, 2), -100, np.int8)
    logits[..., 1] = 100
    top, height = letterbox.offset_yx[0] // STRIDE, letterbox.inner_hw[0] // STRIDE
    logits[top : top + height, :, 0], logits[top : top + height, :, 1] = 100, -100

    found = segment(Tensor(logits, 0.1, 0), letterbox, (36, 128), 0.0)

    assert 0 < top
    assert (found.class_ids == 0).all()


def test_int8_planes_lose_nothing():
    values = np.arange(-128, 128, dtype=np.int8).reshape(16, 16, 1)

    planes, step = logit_planes(Tensor(values, 0.25, 3))

    assert step == 0.25
    assert np.array_equal(planes.astype(int), values.astype(int) + 128)


def test_float_planes_span_the_extremes():
    planes, step = logit_planes(Tensor(np.array([[[-3.0, 0.4, 7.2]]], np.float32)))

    assert planes.ravel().tolist() == [0, round(3.4 / 10.2 * 255), 255]
    assert step == pytest.approx(10.2 / 255)


def test_constant_float_planes_are_finite():
    planes, step = logit_planes(Tensor(np.full((2, 2, 3), 7.0, np.float32)))

    assert (planes == 0).all()
    assert 0 < step < 1e-6


def blobs(seed, classes, cells_hw, spread):
    """Smooth coarse logits, as of a network that is sure but for outlines."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (classes, 3, 4)).astype(np.uint8)
    planes = [cv2.resize(plane, cells_hw[::-1], interpolation=cv2.INTER_CUBIC) for plane in coarse]
    noise = rng.integers(0, spread + 1, (classes, *cells_hw))
    return [np.clip(p + n, 0, 255).astype(np.uint8) for p, n in zip(planes, noise, strict=True)]


@settings(deadline=None, max_examples=120)
@given(
    seed=st.integers(0, 2**32 - 1),
    classes=st.integers(1, 6),
    cells_hw=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    factor=st.one_of(
        st.tuples(st.integers(1, 5), st.integers(1, 5)),
        st.tuples(st.floats(0.4, 5), st.floats(0.4, 5)),
    ),
    spread=st.sampled_from([0, 1, 3, 40]),
    background=st.sampled_from([0, 60, 255]),
)
def test_leaving_out_what_can_not_win_changes_nothing(
    seed, classes, cells_hw, factor, spread, background
):
    planes = blobs(seed, classes, cells_hw, spread)
    planes[0] = cv2.add(planes[0], np.full(cells_hw, background, np.uint8))
    height, width = (max(round(n * f), 1) for n, f in zip(cells_hw, factor, strict=True))

    found = best_classes(planes, (height, width))

    assert np.array_equal(found, classes_and_confidence(planes, 0.1, (height, width), 0.0)[0])


def test_classes_that_win_between_cells_only_are_found():
    """Two rivals that change places leave the middle to a third, which leads in no cell."""
    low, high = np.array([[0, 200]], np.uint8), np.array([[200, 0]], np.uint8)
    steady = np.full((1, 2), 150, np.uint8)

    found = best_classes([low, high, steady], (8, 16))

    assert set(np.unique(found)) == {0, 1, 2}


@pytest.mark.parametrize("threshold", [0.0, 0.8])
def test_a_mask_is_computed_when_it_is_read_and_of_the_logits_of_then(threshold):
    logits = float_logits(3, 4, 3.0)
    letterbox = Letterbox.fit((60, 64), NETWORK_HW, STRIDE)
    expected = segment(logits, letterbox, (60, 64), threshold)
    ids, confidence = expected.class_ids.copy(), expected.confidence.copy()

    lazy = segment(logits, letterbox, (60, 64), threshold)
    logits.values[:] = 0  # the network's next run

    assert np.array_equal(lazy.confidence, confidence)
    assert np.array_equal(lazy.class_ids, ids)
    assert lazy.class_ids is lazy.class_ids
