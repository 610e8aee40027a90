import numpy as np
import pytest

from mtv_perception.data.class_sets import EVERYTHING_KNOWN, class_bits, set_words


def members(words, classes):
    """The ids in sets over words."""
    return {i for i in range(classes) if words[i // 16] >> (i % 16) & 1}


def test_few_classes_are_plain_bits():
    numbers = np.array([[class_bits(()), class_bits((1, 3, 3))], [EVERYTHING_KNOWN, 0]], np.uint16)
    assert numbers[0].tolist() == [0, 0b1010]
    assert set_words(numbers, 15) is numbers


@pytest.mark.parametrize("classes", [16, 17, 21, 64, 255])
@pytest.mark.parametrize("count", [0, 1, 5, 14, 200])
def test_any_number_of_classes(classes, count):
    rng = np.random.default_rng(count)
    ids = set(rng.permutation(np.arange(1, classes))[:count].tolist())
    number = class_bits(ids)
    assert 0 <= number < EVERYTHING_KNOWN and class_bits(sorted(ids)) == number
    numbers = np.array([[number, EVERYTHING_KNOWN, 0]], np.uint16)
    words = set_words(numbers, classes)
    assert words.dtype == np.uint16 and words.shape == (1, 3, -(-classes // 16))
    assert members(words[0, 0], classes) == ids
    assert members(words[0, 1], classes) == set(range(classes))
    assert members(words[0, 2], classes) == set()
