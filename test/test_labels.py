import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtv_perception.labels import (
    BACKGROUND_ID,
    UNLABELED_ID,
    UNLABELED_RGB,
    WAREHOUSE,
    LabelSet,
    labels_of,
    labels_with_background,
)

name_lists = st.lists(st.text(min_size=1), min_size=2, max_size=UNLABELED_ID, unique=True)


def test_the_warehouse_classes():
    assert WAREHOUSE.names == ("background", "rail", "person", "forklift")
    assert WAREHOUSE.foreground == ("rail", "person", "forklift")
    assert [WAREHOUSE.id_of(name) for name in WAREHOUSE.names] == [0, 1, 2, 3]
    assert len(WAREHOUSE) == 4


@settings(deadline=None)
@given(name_lists)
def test_ids_are_positions(names):
    labels = labels_of(names)

    assert [labels.id_of(name) for name in names] == list(range(len(names)))
    assert labels == LabelSet(tuple(names))
    assert len({labels, LabelSet(tuple(names))}) == 1


def test_an_unknown_class_lists_the_known_ones():
    with pytest.raises(
        ValueError, match="Expected a class of background, rail, person, forklift, got 'dog'"
    ):
        WAREHOUSE.id_of("dog")


@pytest.mark.parametrize(
    "names", [(), ("background",), ("background", "a", "a"), tuple(map(str, range(256)))], ids=len
)
def test_impossible_sets_are_refused(names):
    with pytest.raises(ValueError, match="Expected"):
        LabelSet(names)


def test_names_read_from_yaml_may_look_like_numbers():
    assert labels_of([0, 1, True]).names == ("0", "1", "True")


@settings(deadline=None)
@given(st.integers(2, 254))
def test_the_colour_table_holds_every_colour_and_the_unlabelled_one(count):
    labels = labels_of(range(count))

    table = labels.colour_table()

    assert (table.shape, table.dtype) == ((256, 3), np.uint8)
    assert [tuple(row) for row in table[:count].tolist()] == [
        labels.colour(i) for i in range(count)
    ]
    assert tuple(table[UNLABELED_ID].tolist()) == UNLABELED_RGB
    assert not table[count:UNLABELED_ID].any()


def test_no_class_looks_like_the_background_or_like_unlabelled():
    labels = labels_of(range(40))
    background = labels.colour(BACKGROUND_ID)

    for class_id in range(1, 40):
        assert labels.colour(class_id) not in (background, UNLABELED_RGB), class_id


def test_the_first_classes_differ_from_each_other():
    labels = labels_of(range(8))

    for a, b in itertools.combinations(range(8), 2):
        assert labels.colour(a) != labels.colour(b)


def test_a_class_keeps_its_colour_in_any_set():
    own = labels_with_background(("truck", "person", "rail", "worker"))
    for name in ("person", "rail"):
        assert own.colour(own.id_of(name)) == WAREHOUSE.colour(WAREHOUSE.id_of(name))


@pytest.mark.parametrize("count", [2, 7, 20, 30])
@pytest.mark.parametrize("known", [(), ("person",), ("rail", "person", "forklift")])
def test_many_classes_have_different_colours(count, known):
    labels = labels_with_background((*known, *(f"class {number}" for number in range(count))))
    colours = [labels.colour(index) for index in range(len(labels))]
    assert len(set(colours)) == len(colours)
