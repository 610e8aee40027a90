import re

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from mtv_perception.ros.perception.stamps import SECOND, Freshness, StampJudge, duration

NOW = 1000 * SECOND


@pytest.mark.parametrize(
    ("max_age", "stamp", "newest", "accepted"),
    [
        (0.0, NOW, None, True),
        (0.0, 0, None, True),
        (0.0, NOW, NOW - 1, True),
        (0.0, NOW, NOW, False),
        (0.0, NOW - 1, NOW, False),
        (0.0, NOW - SECOND, NOW, False),
        (0.0, NOW - SECOND - 1, NOW, True),
        (0.0, 0, NOW, True),
        (0.0, NOW + 10 * SECOND, NOW, True),
        (2.0, NOW - 2 * SECOND, None, True),
        (2.0, NOW - 2 * SECOND - 1, None, False),
        (2.0, NOW - 5 * SECOND, NOW, False),
        (2.0, NOW + 5 * SECOND, None, True),
    ],
)
def test_a_frame_is_fresh_by_its_stamp(max_age, stamp, newest, accepted):
    assert Freshness(max_age, time_jump=1.0).accepts(stamp, newest, NOW) == accepted


def test_without_tolerance_any_step_back_is_a_new_timeline():
    freshness = Freshness(max_age=0.0, time_jump=0.0)
    assert freshness.accepts(NOW - 1, NOW, NOW)
    assert not freshness.accepts(NOW, NOW, NOW)


PATIENCE = 2.0


def judged(stamps_and_clocks, period=0.1, patience=PATIENCE):
    """The error after images with these stamps and clock readings (s), one every `period` s."""
    judge = StampJudge()
    for index, (stamp, now) in enumerate(stamps_and_clocks):
        judge.see(round(stamp * SECOND), round(now * SECOND), index * period, time_jump=1.0)
    return judge.error(len(stamps_and_clocks) * period, patience)


def frames(stamp, clock=lambda t: 1e9 + t, count=60):
    """Stamps and clock readings at 10 Hz as functions of the time."""
    return [(stamp(index / 10), clock(index / 10)) for index in range(count)]


@pytest.mark.parametrize(
    ("frame_ids", "error"),
    [
        (["front", "rear"], "2 frames take turns: 'front', 'rear'; let one camera"),
        (["front", "front", "front", "rear"], "take turns"),
        (["front"], ""),
        ([""], ""),
    ],
)
def test_cameras_that_take_turns_on_one_topic_are_told(frame_ids, error):
    judge = StampJudge()
    for index in range(60):
        at = round((1e9 + index / 10) * SECOND)
        judge.see(at, at, index / 10, 1.0, frame_ids[index % len(frame_ids)])

    assert (error in judge.error(6.0, PATIENCE)) if error else judge.error(6.0, PATIENCE) == ""


def test_a_recording_of_another_camera_that_follows_is_no_error():
    judge = StampJudge()
    for index in range(60):
        at = round((1e9 + index / 10) * SECOND)
        judge.see(at, at, index / 10, 1.0, "front" if index < 30 else "rear")
        assert judge.error(index / 10, 0.0) == ""


@pytest.mark.parametrize("period", [2, 3, 10, 60])
def test_two_publishers_of_one_frame_are_told_at_once(period):
    """As a recording that still plays beside the camera: now its picture is seen, now the other."""
    judge, told = StampJudge(), []
    for index in range(300):
        at = round((1e9 + index / 10) * SECOND)
        publisher = b"camera" if index % period == 0 else b"replay"
        judge.see(at, at, index / 10, 1.0, "camera", publisher)
        cause, figures = judge.mixed
        assert ("2 publishers take turns, all of frame 'camera'" in figures) is bool(cause)
        told.append(cause)

    assert told == [""] * period + ["two_cameras"] * (300 - period)
    assert "2 publishers take turns" in judge.error(30.0, PATIENCE)


def test_a_rival_that_is_gone_is_forgotten():
    judge = StampJudge()
    for index in range(200):
        at = round((1e9 + index / 10) * SECOND)
        judge.see(at, at, index / 10, 1.0, "camera", b"replay" if index == 20 else b"camera")
    assert judge.mixed == ("", "")


def test_a_driver_that_is_started_again_and_again_is_no_error():
    judge = StampJudge()
    for index in range(200):
        at = round((1e9 + index / 10) * SECOND)
        judge.see(at, at, index / 10, 1.0, "camera", str(index // 7).encode())
        assert judge.mixed == ("", "")


GOOD = [
    frames(lambda t: 1e9 + t),
    frames(lambda t: 1e9 + t - 0.5),
    frames(lambda t: 1e9 + t - 30),
    frames(lambda t: 1e9 + t + 0.5),
    frames(lambda t: t % 3, lambda t: t % 3),
    frames(lambda t: 1e9 + t + 0.05 * (-1) ** round(10 * t)),
    frames(lambda t: 1e9 + t, lambda t: 1e9 + round(t)),
]


@pytest.mark.parametrize("stream", GOOD, ids=range(len(GOOD)))
def test_healthy_stamps_are_no_error(stream):
    assert judged(stream) == ""


BAD = [
    (frames(lambda t: 0.0), "do not advance.*stamp 0"),
    (frames(lambda t: 5.25), "do not advance: 20 images with stamp 5.250 s|do not advance"),
    (frames(lambda t: 100 + t, lambda t: 1.8e9 + t), "57.0 years behind"),
    (frames(lambda t: 1e9 + t - 3600), "3600.00 s behind"),
    (frames(lambda t: 1e9 + t + 5), "5.00 s ahead"),
    (frames(lambda t: 1e9 + t + 86400 * 3), "3.0 days ahead"),
    (frames(lambda t: 1e9 + t - 50 * (round(10 * t) % 2)), "two clocks"),
    (frames(lambda t: 1e9 + t - 3e8 * (round(10 * t) % 3 == 0)), "two clocks"),
    (frames(lambda t: 1e9 + t, lambda t: 1e9), "clock has stood at 1000000000.000 s"),
    (frames(lambda t: t, lambda t: 0.0), "clock has stood at 0.000 s"),
    (frames(lambda t: -5.0 - t, lambda t: 1e9 + t), "behind"),
]


@pytest.mark.parametrize(("stream", "words"), BAD, ids=[words for _, words in BAD])
def test_a_cause_is_named_with_its_figures_once_it_has_lasted(stream, words):
    assert re.search(words, judged(stream))
    assert judged(stream[:5]) == "", "it has not lasted yet"


def test_a_cause_ends_with_the_first_good_image():
    stream = [*frames(lambda t: 0.0), (1000000000.0, 1000000000.0)]
    assert judged(stream) == ""


def test_a_judge_can_start_again():
    judge = StampJudge()
    for index in range(30):
        judge.see(0, index * SECOND, float(index), time_jump=1.0)
    assert judge.error(30.0, PATIENCE)
    judge.forget()
    assert judge.error(30.0, PATIENCE) == ""


def test_a_refusal_tells_the_figures():
    freshness = Freshness(max_age=0.3, time_jump=1.0)
    assert "56.7 years old, max_age is 0.3 s" in freshness.refusal(0, None, round(1.79e9 * SECOND))
    assert "that of the image before" in freshness.refusal(NOW, NOW, NOW)
    assert "0.100 s older" in freshness.refusal(NOW - SECOND // 10, NOW, NOW)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.50 s"), (7200, "2.0 hours"), (172800, "2.0 days"), (1e9, "31.7 years")],
)
def test_durations_are_readable(value, text):
    assert duration(value) == text
