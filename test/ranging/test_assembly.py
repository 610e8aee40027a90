"""Detections leave in order, each once, with what belongs to them, and never wait long."""

import pytest

from mtv_perception.ranging.assembly import Assembler

MS = 1_000_000


def flat(moments):
    return [(m.stamp_ns // MS, m.detections, m.mask, m.depth) for m in moments]


@pytest.mark.parametrize("order", [("mask", "depth"), ("depth", "mask")])
def test_a_complete_moment_leaves_at_once_whatever_comes_first(order):
    both = Assembler(True, True, 1.0, 20 * MS)
    assert both.add_detections(100 * MS, "boxes", 0.0) == []
    found = []
    for kind in order:
        found += getattr(both, f"add_{kind}")(100 * MS, kind, 0.1)

    assert flat(found) == [(100, "boxes", "mask", "depth")]


@pytest.mark.parametrize(
    "offset, expected", [(0, "near"), (20, "near"), (-20, "near"), (21, None), (-21, None)]
)
def test_depth_may_differ_by_the_tolerance_and_no_more(offset, expected):
    pairing = Assembler(False, True, 1.0, 20 * MS)
    pairing.add_depth((100 + offset) * MS, "near", 0.0)
    pairing.add_depth(300 * MS, "later", 0.0)
    found = [*pairing.add_detections(100 * MS, "boxes", 0.0), *pairing.release(1.0)]

    assert flat(found) == [(100, "boxes", None, expected)]
    assert pairing.without_depth == (expected is None)


def test_the_nearest_of_several_depths_is_taken():
    pairing = Assembler(False, True, 1.0, 50 * MS)
    for stamp in (60, 95, 140):
        pairing.add_depth(stamp * MS, stamp, 0.0)

    assert flat(pairing.add_detections(100 * MS, "boxes", 0.0)) == [(100, "boxes", None, 95)]


def test_an_earlier_depth_waits_for_a_better_one_until_the_time_is_up():
    pairing = Assembler(False, True, 1.0, 50 * MS)
    pairing.add_depth(60 * MS, "earlier", 0.0)
    assert pairing.add_detections(100 * MS, "boxes", 0.0) == []
    assert flat(pairing.add_depth(101 * MS, "better", 0.5)) == [(100, "boxes", None, "better")]


def test_detections_leave_alone_after_the_wait_and_are_counted():
    pairing = Assembler(True, True, 0.1, 0)
    assert pairing.add_detections(100 * MS, "boxes", 0.0) == []
    assert pairing.release(0.05) == []
    assert flat(pairing.release(0.11)) == [(100, "boxes", None, None)]
    assert (pairing.without_mask, pairing.without_depth) == (1, 1)


def test_order_is_kept_when_a_later_one_is_complete_first():
    pairing = Assembler(True, False, 1.0, 0)
    pairing.add_detections(100 * MS, "first", 0.0)
    pairing.add_detections(200 * MS, "second", 0.0)

    assert flat(pairing.add_mask(200 * MS, "mask", 0.1)) == [
        (100, "first", None, None),
        (200, "second", "mask", None),
    ]


def test_nothing_wanted_means_no_waiting():
    assert flat(Assembler(False, False, 1.0, 0).add_detections(MS, "boxes", 0.0)) == [
        (1, "boxes", None, None)
    ]


def test_detections_wait_for_the_status_of_their_stamp_where_one_is_wanted():
    pairing = Assembler(False, False, 1.0, 0)
    pairing.wants_status = True
    assert pairing.add_detections(MS, "a", 0.0) == []
    (moment,) = pairing.add_status(MS, (240, 320), 0.1)
    assert (moment.detections, moment.status) == ("a", (240, 320))

    assert pairing.add_status(2 * MS, (480, 640), 0.2) == []
    (moment,) = pairing.add_detections(2 * MS, "b", 0.2)
    assert moment.status == (480, 640)

    assert pairing.add_detections(3 * MS, "c", 0.3) == []
    (moment,) = pairing.release(1.4)
    assert moment.status is None


def test_the_first_of_two_detections_of_one_stamp_is_not_lost():
    pairing = Assembler(True, False, 1.0, 0)
    assert pairing.add_detections(100 * MS, "first", 0.0) == []
    assert flat(pairing.add_detections(100 * MS, "second", 0.0)) == [(100, "first", None, None)]
    assert flat(pairing.add_mask(100 * MS, "mask", 0.0)) == [(100, "second", "mask", None)]


def test_order_is_kept_when_detections_of_a_stamp_come_twice():
    pairing = Assembler(True, False, 1.0, 0)
    for stamp in (100, 133):
        assert pairing.add_detections(stamp * MS, f"at {stamp}", 0.0) == []
    found = flat(pairing.add_detections(133 * MS, "again", 0.0))
    assert found == [(100, "at 100", None, None), (133, "at 133", None, None)]


@pytest.mark.parametrize(("stamps", "off"), [((), None), ((40, 130), 30), ((40, 170), -60)])
def test_without_a_depth_the_nearest_one_is_told(stamps, off):
    pairing = Assembler(False, True, 0.1, 20 * MS)
    for stamp in stamps:
        pairing.add_depth(stamp * MS, "depth", 0.0)
    (moment,) = [*pairing.add_detections(100 * MS, "boxes", 0.0), *pairing.release(1.0)]
    assert moment.depth_off_ns == (None if off is None else off * MS)


def test_what_waits_for_long_loses_nothing_of_what_came():
    """Of a camera at 30 Hz, thirty results wait for a depth camera that is off."""
    pairing, found = Assembler(True, True, 1.0, 10 * MS), []
    pairing.wants_status = True
    for index in range(60):
        stamp, now = 33 * index * MS, 0.033 * index
        for add in (pairing.add_detections, pairing.add_status, pairing.add_mask):
            found += add(stamp, "here", now)
    found += pairing.release(9.0)

    assert [(m.mask, m.status) for m in found] == [("here", "here")] * 60


def test_depth_of_results_that_wait_for_their_mask_is_kept():
    pairing = Assembler(True, True, 1.0, 10 * MS)
    for index in range(30):
        pairing.add_detections(33 * index * MS, "boxes", 0.0)
        pairing.add_depth((33 * index + 5) * MS, index, 0.0)

    assert [m.depth for m in pairing.release(9.0)] == list(range(30))


def test_what_nobody_waits_for_does_not_pile_up():
    pairing = Assembler(True, True, 1.0, 10 * MS)
    for index in range(1000):
        for add in (pairing.add_status, pairing.add_mask, pairing.add_depth):
            add(33 * index * MS, "x", 0.0)
    assert len(pairing._statuses) == len(pairing._masks) == len(pairing._depths) == 8
