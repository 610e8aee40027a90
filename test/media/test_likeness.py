"""Hashes of pictures: near ones are other frames of one scene."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtv_perception.media.likeness import NEAR_BITS, bits_apart, difference_hash, near_duplicates


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=12))
def test_near_duplicates_are_those_of_few_differing_bits(hashes):
    pairs = near_duplicates([np.uint64(value) for value in hashes])

    expected = [
        [i, j]
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (hashes[i] ^ hashes[j]).bit_count() <= 4
    ]
    assert pairs.tolist() == expected


@given(st.lists(st.integers(0, 2**64 - 1)), st.lists(st.integers(0, 2**64 - 1)))
def test_bits_apart_counts_the_bits_that_differ(hashes, others):
    found = bits_apart([np.uint64(v) for v in hashes], [np.uint64(v) for v in others])

    assert found.shape == (len(hashes), len(others))
    assert found.tolist() == [[(a ^ b).bit_count() for b in others] for a in hashes]


@pytest.mark.parametrize("change", [lambda x: x, lambda x: x[::2, ::2], lambda x: x // 2 + 20])
def test_size_and_brightness_keep_the_hash(change):
    y, x = np.mgrid[:96, :144]
    blobs = np.sin(x / 17) * np.cos(y / 13) * 90 + 120
    image = np.repeat(blobs[..., None], 3, 2).astype(np.uint8)
    hashes = [difference_hash(image)], [difference_hash(change(image))]

    assert bits_apart(*hashes)[0, 0] <= NEAR_BITS


def test_other_pictures_are_far():
    rng = np.random.default_rng(0)
    first, second = (rng.integers(0, 255, (9, 16, 3), np.uint8) for _ in range(2))

    assert bits_apart([difference_hash(first)], [difference_hash(second)])[0, 0] > 16
