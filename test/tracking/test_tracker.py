import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtv_perception.tracking.tracker import NO_ID, Tracker, TrackerConfig
from mtv_perception.types import Detections

FRAME = 100_000_000


def detections(*boxes, scores=None, class_ids=None):
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(corners)
    return Detections(
        corners,
        np.asarray(scores if scores is not None else [0.9] * count, np.float32),
        np.asarray(class_ids if class_ids is not None else [2] * count, np.int32),
    )


def walker(x, y=100.0, width=50.0, height=120.0):
    return [x - width / 2, y, x + width / 2, y + height]


def run(frames, config=None):
    tracker = Tracker(config or TrackerConfig())
    return [
        tracker.update(frame, (index + 1) * FRAME).tolist() for index, frame in enumerate(frames)
    ]


def test_no_detections():
    assert run([detections(), detections()]) == [[], []]


def test_a_first_detection_has_its_id_at_once():
    assert run([detections(walker(100), walker(300))]) == [[1, 2]]


def test_a_walker_keeps_its_id():
    ids = run([detections(walker(100 + 10 * i)) for i in range(50)])

    assert ids == [[1]] * 50


@pytest.mark.parametrize("missed", [1, 3, 8])
def test_an_id_survives_missed_frames(missed):
    frames = [detections(walker(100 + 12 * i)) for i in range(30)]
    for i in range(15, 15 + missed):
        frames[i] = detections()

    assert {number for ids in run(frames) for number in ids} == {1}


def test_an_id_ends_with_its_memory():
    frames = [detections(walker(100))] * 5 + [detections()] * 12 + [detections(walker(100))]

    assert run(frames)[-1] == [2]


@pytest.mark.parametrize(
    ("memory", "period"), [(1.0, 1.02), (0.2, 0.25), (0.0, 0.1), (0.3, 2.0), (0.0, 5.0)]
)
def test_a_camera_slower_than_the_memory_keeps_what_each_frame_shows(memory, period):
    tracker = Tracker(TrackerConfig(track_memory=memory))
    stamps = [round((1 + k) * period * 1e9) for k in range(8)]

    ids = [tracker.update(detections(walker(100)), at).tolist() for at in stamps]
    assert ids == [[1]] + [[2]] * 7  # The rate is known from the second frame on.
    assert tracker.update(detections(), stamps[-1] + round(period * 1e9)).tolist() == []
    # Missing in one frame is unseen, and an interruption is no frame rate.
    late = stamps[-1] + round((2 * period + memory) * 1e9)
    assert tracker.update(detections(walker(100)), late).tolist() == [3]
    assert tracker.update(detections(walker(100)), late + 60 * 10**9).tolist() == [4]


def test_two_that_cross_keep_their_ids():
    frames = [
        detections(walker(100 + 15 * i), walker(500 - 15 * i, y=140.0, height=160.0, width=70.0))
        for i in range(28)
    ]

    assert run(frames) == [[1, 2]] * 28


def test_order_of_detections_does_not_matter():
    both = walker(100), walker(300)
    ids = run([detections(*both), detections(*both[::-1]), detections(*both)])

    assert ids == [[1, 2], [2, 1], [1, 2]]


def test_classes_do_not_mix():
    ids = run([detections(walker(100), class_ids=[2]), detections(walker(100), class_ids=[3])])

    assert ids == [[1], [2]]


def test_low_scores_continue_tracks_and_begin_none():
    frames = [
        detections(walker(100)),
        detections(walker(102), walker(400), scores=[0.35, 0.35]),
        detections(walker(104)),
    ]

    assert run(frames) == [[1], [1, NO_ID], [1]]


def test_a_new_timeline_gives_new_ids():
    tracker = Tracker()
    first = tracker.update(detections(walker(100)), 5 * FRAME)
    again = tracker.update(detections(walker(100)), 2 * FRAME)

    assert (first.tolist(), again.tolist()) == ([1], [2])


def test_the_rate_of_frames_does_not_matter():
    """A jogger of 3 body heights a second at 30 and at 10 Hz, and with frames dropped at random."""
    random = np.random.default_rng(0)
    for rate, kept in ((30, 1.0), (10, 1.0), (30, 0.6)):
        tracker, ids = Tracker(), set()
        for i in range(60):
            if random.random() <= kept:
                box = walker(60 + 240.0 * i / rate, width=60.0)
                ids |= set(tracker.update(detections(box), 1 + i * 1_000_000_000 // rate).tolist())
        assert ids == {1}, (rate, kept)


def test_random_walks_keep_their_ids(record_property):
    """Five people with noise, misses and false alarms: how often an id changes."""
    random, switches, seen = np.random.default_rng(1), 0, 0
    for _ in range(10):
        tracker, owner = Tracker(), {}
        x = 80.0 + 120.0 * np.arange(5)
        speed = random.normal(0, 30, 5)
        for frame in range(60):
            speed += random.normal(0, 6, 5)
            x = x + speed / 10
            present = random.random(5) > 0.1
            boxes = [
                np.array(walker(x[i], y=60.0 + 25 * i)) + random.normal(0, 2, 4) for i in range(5)
            ]
            boxes = [box for box, here in zip(boxes, present, strict=True) if here]
            if random.random() < 0.1:
                boxes.append(np.array(walker(random.uniform(0, 640), y=320.0, height=60.0)))
            ids = tracker.update(detections(*boxes), (frame + 1) * FRAME)
            for who, number in zip(np.flatnonzero(present), ids, strict=False):
                switches += owner.setdefault(who, number) != number
                owner[who] = number
                seen += 1
    record_property("id_switches", f"{switches} in {seen}")
    assert switches <= 0.01 * seen


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_whatever_comes_every_detection_has_an_answer(seed):
    random, tracker = np.random.default_rng(seed), Tracker(TrackerConfig(track_limit=20))
    stamp, used = 0, set()
    for _ in range(12):
        count = int(random.integers(0, 30))
        low = random.uniform(-50, 600, (count, 2))
        boxes = np.concatenate([low, low + random.choice([0.0, 1e-3, 20.0, 300.0], (count, 2))], 1)
        found = detections(
            *boxes, scores=random.random(count), class_ids=random.integers(1, 4, count)
        )
        stamp += int(random.integers(-1, 4)) * FRAME
        ids = tracker.update(found, stamp)
        given_ids = ids[ids != NO_ID]
        assert ids.shape == (count,)
        assert (ids[found.scores >= 0.5] > 0).all()
        assert len(set(given_ids.tolist())) == len(given_ids)
        used |= set(given_ids.tolist())
        assert len(tracker) <= 20
        assert np.isfinite(tracker._motion.values).all()


def test_how_long_it_takes(record_property):
    random, tracker = np.random.default_rng(0), Tracker()
    low = random.uniform(0, 500, (50, 2))
    took = []
    for frame in range(50):
        boxes = np.concatenate([low, low + 60], 1) + random.normal(0, 2, (50, 4))
        begun = time.process_time()
        tracker.update(detections(*boxes), (frame + 1) * FRAME)
        took.append(time.process_time() - begun)
    record_property("cpu_ms_for_50_boxes", round(float(np.median(took)) * 1e3, 2))


def test_one_perfect_pair_beats_two_poor_ones():
    """Somebody stands, the one beside is hidden, and somebody new comes on the other side."""
    pair = [detections([300, 0, 400, 250], [360, 0, 460, 250])] * 5
    new = detections([300, 0, 400, 250], [240, 0, 340, 250])
    back = detections([300, 0, 400, 250], [240, 0, 340, 250], [360, 0, 460, 250])
    assert run([*pair, new, back])[4:] == [[1, 2], [1, 3], [1, 3, 2]]
