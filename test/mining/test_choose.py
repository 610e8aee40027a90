"""What is chosen: much worth, unlike each other, never near-duplicates, the same each time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtv_perception.media.likeness import NEAR_BITS, bits_apart
from mtv_perception.mining.choose import Known, choose


def unit(values):
    values = np.asarray(values, np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


pools = st.integers(0, 10_000).map(np.random.default_rng)
NEAR_BY_NEAR = 2**64 - 1


def pool(rng, count=12):
    """Worths, features, and hashes of which many are near others."""
    seeds = rng.integers(0, NEAR_BY_NEAR, 4, np.uint64)
    flips = (1 << rng.integers(0, 63, count, np.uint64)).astype(np.uint64)
    hashes = list(seeds[rng.integers(0, 4, count)] ^ flips)
    return rng.random(count), unit(rng.random((count, 5)) + 0.01), hashes


@given(pools, st.integers(1, 15))
def test_near_duplicates_are_never_both_chosen(rng, count):
    worths, features, hashes = pool(rng)
    choice = choose(worths, features, hashes, count)
    picked = [hashes[i] for i in choice.chosen]
    apart = bits_apart(picked, picked)

    assert len(choice.chosen) <= count and len(set(choice.chosen)) == len(choice.chosen)
    assert (apart[~np.eye(len(picked), dtype=bool)] > NEAR_BITS).all()
    if len(choice.chosen) < count:  # everything else is a near-duplicate
        assert choice.near_duplicates == len(hashes) - len(picked)
        assert (bits_apart(hashes, picked).min(1) <= NEAR_BITS).all()


@given(pools)
def test_labelled_images_are_not_chosen_again(rng):
    worths, features, hashes = pool(rng)
    choice = choose(worths, features, hashes, 12, hashes[:3])

    chosen = [hashes[i] for i in choice.chosen]
    assert not len(chosen) or (bits_apart(chosen, hashes[:3]) > NEAR_BITS).all()


@given(pools)
def test_the_same_pool_gives_the_same_choice_and_begins_with_the_most_worth(rng):
    worths, features, hashes = pool(rng)
    first, second = (choose(worths, features, hashes, 5) for _ in range(2))

    assert first == second
    assert first.chosen[0] == int(np.argmax(worths))


def test_of_equal_worth_the_unlike_one_is_chosen():
    features = unit([[1, 0], [1, 0.1], [0, 1]])
    hashes = [np.uint64(v) for v in (0, 2**32 - 1, 2**64 - 1)]

    assert choose(np.array([0.9, 0.8, 0.8]), features, hashes, 2).chosen == (0, 2)


def test_of_equally_unlike_ones_the_more_worth_is_chosen():
    features = unit([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    hashes = [np.uint64(v) for v in (0, 2**32 - 1, 2**64 - 1)]

    assert choose(np.array([0.9, 0.1, 0.5]), features, hashes, 3).chosen == (0, 2, 1)


def test_no_frame_gives_no_choice():
    assert choose(np.empty(0), np.empty((0, 4)), [], 5).chosen == ()


def test_far_says_how_much_farther_than_usual():
    known = Known(unit([[1, 0], [1, 0.1], [1, 0.2]]), [np.uint64(0)] * 3)
    (near,), (far,) = known.far(unit([[1, 0.15]])), known.far(unit([[0, 1]]))

    assert near == []
    ratio = float(far[0].text.split()[0])
    assert ratio > 10 and far[0].value == pytest.approx(1 - 1 / ratio, abs=0.01)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_labelled_images_say_nothing_of_distance(count):
    known = Known(unit([[1, 0]])[:count], [np.uint64(0)] * count)

    assert known.far(unit([[0, 1]])) == [[]]
