from mtv_perception.zones.pairing import Pairing


def test_without_masks_detections_pass_at_once():
    assert Pairing(False, 0.1).add_detections(1, "d", 0.0) == [(1, "d", None)]


def test_the_mask_of_the_same_stamp_completes():
    pairs = Pairing(True, 0.1)

    assert pairs.add_detections(1, "d", 0.0) == []
    assert pairs.add_mask(2, "other") == []
    assert pairs.add_mask(1, "m") == [(1, "d", "m")]
    assert pairs.overdue(9.0) == []


def test_a_mask_may_come_first():
    pairs = Pairing(True, 0.1)
    pairs.add_mask(1, "m")

    assert pairs.add_detections(1, "d", 0.0) == [(1, "d", "m")]


def test_a_mask_that_does_not_come_is_waited_for_a_little():
    pairs = Pairing(True, 0.1)
    pairs.add_detections(1, "d", 5.0)

    assert pairs.overdue(5.05) == []
    assert pairs.overdue(5.2) == [(1, "d", None)]
    assert pairs.add_mask(1, "late") == []
    assert pairs.without_mask == 1


def test_newer_detections_do_not_wait_for_older_ones():
    pairs = Pairing(True, 0.1)
    pairs.add_mask(2, "m")
    pairs.add_detections(1, "a", 0.0)

    assert pairs.add_detections(2, "b", 0.01) == [(1, "a", None), (2, "b", "m")]


def test_masks_without_detections_do_not_pile_up():
    pairs = Pairing(True, 0.1)
    for stamp in range(1000):
        pairs.add_mask(stamp, "m")

    assert len(pairs._masks) < 10
