import pytest

from mtv_perception.zones.pairing import DETECTIONS, MASK, STATUS, Pairing


def left(parts):
    return [(item.key, item.detections, item.status, item.mask) for item in parts]


def pair(wants_mask=True, wants_status=True):
    return Pairing(wants_mask, 0.1, wants_status)


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
)
def test_what_belongs_to_one_image_leaves_together_in_any_order(order):
    pairs, sent = pair(), [(DETECTIONS, "d"), (STATUS, "s"), (MASK, "m")]
    done = [left(pairs.add(1, *sent[index], 0.0)) for index in order]

    assert done == [[], [], [(1, "d", "s", "m")]]
    assert pairs.overdue(9.0) == []


def test_without_masks_and_status_detections_pass_at_once():
    assert left(pair(False, False).add(1, DETECTIONS, "d", 0.0)) == [(1, "d", None, None)]


def test_detections_without_a_status_never_leave():
    pairs = pair(False)
    assert pairs.add(1, DETECTIONS, "d", 0.0) == []
    assert pairs.overdue(9.0) == []
    pairs.add(2, DETECTIONS, "e", 0.1)

    assert left(pairs.add(2, STATUS, "s", 0.1)) == [(2, "e", "s", None)]
    assert pairs.without_status == 1
    assert left(pairs.dropped()) == [(1, "d", None, None)]
    assert pairs.dropped() == []
    assert pairs.add(1, STATUS, "late", 0.1) == []


def test_messages_of_another_image_or_publisher_do_not_complete():
    pairs = pair()
    pairs.add(("a", 1), DETECTIONS, "d", 0.0)

    assert pairs.add(("b", 1), STATUS, "s", 0.0) == []
    assert pairs.add(("a", 2), STATUS, "s", 0.0) == []
    assert pairs.add(("b", 1), MASK, "m", 0.0) == []


def test_a_mask_that_does_not_come_is_waited_for_a_little():
    pairs = pair()
    pairs.add(1, DETECTIONS, "d", 5.0)
    pairs.add(1, STATUS, "s", 5.0)

    assert pairs.overdue(5.05) == []
    assert left(pairs.overdue(5.2)) == [(1, "d", "s", None)]
    assert pairs.add(1, MASK, "late", 5.3) == []
    assert pairs.without_mask == 1


def test_newer_detections_do_not_wait_for_older_ones():
    pairs = pair()
    pairs.add(1, DETECTIONS, "a", 0.0)
    pairs.add(1, STATUS, "s", 0.0)
    pairs.add(2, MASK, "m", 0.01)

    assert left(pairs.add(2, DETECTIONS, "b", 0.01)) == [(1, "a", "s", None)]
    assert left(pairs.add(2, STATUS, "t", 0.01)) == [(2, "b", "t", "m")]
    assert (pairs.without_mask, pairs.without_status) == (1, 0)


def test_a_result_whose_status_came_late_leaves_before_the_newer_one():
    pairs = pair()
    pairs.add(1, DETECTIONS, "somebody", 0.0)
    pairs.add(2, DETECTIONS, "nobody", 0.01)
    pairs.add(1, STATUS, "s", 0.02)
    pairs.add(2, MASK, "m", 0.02)

    assert left(pairs.add(2, STATUS, "t", 0.02)) == [
        (1, "somebody", "s", None),
        (2, "nobody", "t", "m"),
    ]
    assert (pairs.without_mask, pairs.without_status) == (1, 0)


@pytest.mark.parametrize("kind", [STATUS, MASK])
def test_a_result_is_not_pushed_out_by_what_comes_of_other_images(kind):
    pairs = pair()
    pairs.add(0, DETECTIONS, "somebody", 0.0)
    pairs.add(0, STATUS, "s", 0.0)
    done = [parts for stamp in range(1, 20) for parts in pairs.add(stamp, kind, "x", 0.0)]

    assert left(done) == [(0, "somebody", "s", None)]
    assert pairs.without_mask == 1


@pytest.mark.parametrize("kind", [DETECTIONS, STATUS, MASK])
def test_what_is_never_completed_does_not_pile_up(kind):
    pairs = pair()
    for stamp in range(1000):
        pairs.add(stamp, kind, "x", 0.0)

    assert len(pairs._parts) < 10 and len(pairs.dropped()) < 10
    assert pairs.without_status == (1000 - len(pairs._parts) if kind == DETECTIONS else 0)


def test_what_waits_can_be_forgotten():
    pairs = pair(False)
    pairs.add(1, DETECTIONS, "d", 0.0)
    pairs.clear()

    assert pairs.add(1, STATUS, "s", 0.0) == []


@pytest.mark.parametrize("wait", [0.0, 0.25])
def test_the_wait_for_a_mask_ends_when_it_is_over(wait):
    pairs = Pairing(True, wait)
    pairs.add(1, DETECTIONS, "d", 5.0)
    pairs.add(1, STATUS, "s", 5.0)

    assert left(pairs.overdue(5.0 + wait)) == [(1, "d", "s", None)]


@pytest.mark.parametrize("late", [0.05, 0.3])
def test_the_wait_begins_with_the_detections(late):
    pairs = Pairing(True, 0.25)
    pairs.add(1, DETECTIONS, "d", 5.0)
    pairs.add(1, STATUS, "s", 5.0 + late)

    assert left(pairs.overdue(5.3125)) == [(1, "d", "s", None)]


@pytest.mark.parametrize("kind", [STATUS, MASK])
def test_only_newer_detections_push_older_ones_out(kind):
    pairs = pair()
    pairs.add(1, DETECTIONS, "d", 0.0)
    pairs.add(1, STATUS, "s", 0.0)

    assert pairs.add(2, kind, "x", 0.01) == []
    assert left(pairs.add(1, MASK, "m", 0.02)) == [(1, "d", "s", "m")]


def test_a_second_result_of_one_image_does_not_replace_the_first():
    pairs = pair()
    pairs.add(1, DETECTIONS, "first", 0.0)
    pairs.add(1, STATUS, "s", 0.0)
    pairs.add(1, DETECTIONS, "second", 0.0)

    (parts,) = pairs.overdue(9.0)

    assert (parts.detections, parts.others) == ("second", ["first"])
