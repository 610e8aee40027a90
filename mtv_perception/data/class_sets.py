"""Sets of class ids as one 16-bit number a pixel, so that they travel through image warps.

A set of ids below 15 is a bit set. Any other set is a number of a table, marked by the highest bit.
There are few different sets in a run, one or two a data set, so that the table stays small.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

WORD_BITS = 16
_PLAIN_IDS = 15
_MARK = 1 << _PLAIN_IDS
EVERYTHING_KNOWN = 0xFFFF
"""The set of all classes."""

_sets: list[frozenset[int]] = []


def class_bits(class_ids: Iterable[int]) -> int:
    """The number of a set of class ids, 0 .. 0xFFFE."""
    ids = frozenset(class_ids)
    if max(ids, default=0) < _PLAIN_IDS:
        return sum(1 << class_id for class_id in ids)
    if ids not in _sets:
        _sets.append(ids)
    return _MARK | _sets.index(ids)


def set_words(numbers: np.ndarray, classes: int) -> np.ndarray:
    """Numbers of sets as plain bit sets over words of 16 classes.

    Args:
        numbers: `(...)` uint16 from `class_bits`, or EVERYTHING_KNOWN.
        classes: how many there are, the background included.

    Returns:
        `(...)` uint16 for up to 15 classes; `(..., W)` uint16 with 16 classes a word for more.
    """
    if classes <= _PLAIN_IDS:
        return numbers
    values, places = np.unique(numbers, return_inverse=True)
    table = np.stack([_words(int(value), -(-classes // WORD_BITS)) for value in values])
    return np.asarray(table[places.reshape(numbers.shape)])


def _words(number: int, count: int) -> np.ndarray:
    if number == EVERYTHING_KNOWN:
        return np.full(count, 0xFFFF, np.uint16)
    if not number & _MARK:
        return np.array([number, *[0] * (count - 1)], np.uint16)
    words = np.zeros(count, np.uint16)
    for class_id in _sets[number & ~_MARK]:
        words[class_id // WORD_BITS] |= np.uint16(1 << class_id % WORD_BITS)
    return words
