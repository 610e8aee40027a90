import colorsys
import itertools
from types import SimpleNamespace

import cv2
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
    labels_by_id,
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


# Machado, Oliveira & Fernandes (2009), severity 1: linear RGB as those without one kind of cone see.
SIGHT = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    ),
    "deuteranopia": np.array(
        [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    ),
    "tritanopia": np.array(
        [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]
    ),
}


def seen_lab(colour, sight):
    """CIELAB of an sRGB colour as somebody sees it."""
    share = np.array(colour) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = np.clip(SIGHT[sight] @ linear, 0, 1)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(np.float32(encoded).reshape(1, 1, 3), cv2.COLOR_RGB2LAB).ravel()


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize(
    "pair", list(itertools.combinations(WAREHOUSE.names, 2)), ids=lambda pair: "-".join(pair)
)
def test_the_shipped_classes_are_told_apart_by_everybody(pair, sight):
    first, second = (seen_lab(WAREHOUSE.colour(WAREHOUSE.id_of(name)), sight) for name in pair)

    assert np.linalg.norm(first - second) > 20  # a difference of 2 to 3 is just visible


def test_rails_have_no_colour_of_safety_clothes():
    """High-visibility yellow, lime and orange have hues of 15 to 90 degrees."""
    red, green, blue = WAREHOUSE.colour(WAREHOUSE.id_of("rail"))
    hue, _, _ = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)

    assert not 15 <= hue * 360 <= 90


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1)])
def test_a_class_map_is_read_by_its_ids(order):
    names = ("background", "rail", "person", "forklift")
    items = [SimpleNamespace(class_id=index, class_name=names[index]) for index in order]
    expected = names if 0 in order else ("class 0", *names[1:])
    assert labels_by_id(items).names == expected


@pytest.mark.parametrize("ids", [[], [255], [-1, 2]])
def test_ids_that_masks_can_not_hold_are_refused(ids):
    with pytest.raises(ValueError, match="Expected class ids below 255"):
        labels_by_id([SimpleNamespace(class_id=index, class_name=f"c{index}") for index in ids])
