"""Losses of more than 15 classes, whose bit sets have several words, are those of few classes."""

import numpy as np
import pytest

from mtv_perception.data.class_sets import class_bits, set_words
from mtv_perception.training.losses.detection import (
    focal_loss,
    known_matrix,
    mined_softmax_loss,
    quality_focal_loss,
)
from mtv_perception.training.losses.segmentation import SEGMENTATION_LOSSES

KNOWN = (class_bits((1, 2, 3)), class_bits((2,)), 0)


def wide(known):
    """Plain bit sets as words, of which the second says nothing."""
    return np.stack([known, np.zeros_like(known)], -1)


@pytest.mark.parametrize("classes", [17, 21, 40])
def test_words_say_which_classes_are_known(classes):
    ids = (1, 15, 16, classes - 1)
    words = set_words(np.array([[class_bits(ids)]], np.uint16), classes)
    found = np.asarray(known_matrix(words, 0, classes, True))[0, 0]
    assert np.flatnonzero(found).tolist() == sorted(set(ids))


@pytest.mark.parametrize("loss", [focal_loss, mined_softmax_loss, quality_focal_loss])
def test_detection_losses_of_wide_and_plain_sets(loss):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(2, 30, 4)).astype(np.float32)
    classes = rng.integers(-1, 4, (2, 30)).astype(np.int16)
    known = rng.choice(np.array(KNOWN, np.uint16), (2, 30))
    more = (rng.random((2, 30)).astype(np.float32),) if loss is quality_focal_loss else ()
    plain, words = (float(loss(logits, classes, k, *more)) for k in (known, wide(known)))
    assert np.isfinite(plain) and words == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_segmentation_losses_of_wide_and_plain_sets(name):
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(2, 6, 8, 4)).astype(np.float32)
    mask = rng.choice(np.array([0, 1, 2, 3, 255], np.uint8), (2, 6, 8))
    known = rng.choice(np.array(KNOWN, np.uint16), (2, 6, 8))
    loss = SEGMENTATION_LOSSES[name]
    plain, words = (
        float(loss(logits, mask, k, (1.0, 2.0, 2.0, 1.5))) for k in (known, wide(known))
    )
    assert np.isfinite(plain) and words == pytest.approx(plain, rel=1e-5)


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_twenty_classes_have_a_loss(name):
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(1, 6, 8, 21)).astype(np.float32)
    mask = rng.integers(0, 21, (1, 6, 8)).astype(np.uint8)
    known = set_words(np.full((1, 6, 8), class_bits(range(1, 21)), np.uint16), 21)
    assert float(SEGMENTATION_LOSSES[name](logits, mask, known, (1.0,) * 21)) > 0
