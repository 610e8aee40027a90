import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from mtv_perception.errors import ReplayError
from mtv_perception.replay.replay import replay
from mtv_perception.testing import Interval, Presence, ReplayedRun
from mtv_perception.types import Detections

ROOT = Path(__file__).resolve().parents[2]


def presence(text):
    """x for present, one character a tenth of a second."""
    return Presence("person", np.arange(len(text)) / 10, np.array([mark == "x" for mark in text]))


def test_intervals():
    assert presence("").intervals == []
    assert presence("....").intervals == []
    assert presence("xx..x").intervals == [Interval(0.0, 0.1), Interval(0.4, 0.4)]


@pytest.mark.parametrize(
    ("reported", "good"),
    [
        ("...xxxxx...........", True),
        (".....xxxxxxxx......", True),
        (".......xxxx........", False),  # entered at .3, seen at .7
        (".x.xxxxx...........", False),  # seen before it came
        ("...xxxxxx..xxxxxxxx", False),  # stays reported for longer than a second
        ("...................", False),
    ],
)
def test_reports_follow_the_truth(reported, good):
    truth = presence("...xxxxx...........")
    if good:
        presence(reported).assert_follows(truth, enters_within_s=0.3, leaves_within_s=1.0)
    else:
        with pytest.raises(AssertionError, match="Expected"):
            presence(reported).assert_follows(truth, enters_within_s=0.3, leaves_within_s=1.0)


def test_never_there_must_never_be_reported():
    presence("....").assert_follows(presence("...."), enters_within_s=0.3, leaves_within_s=1.0)
    with pytest.raises(AssertionError):
        presence("..x.").assert_follows(presence("...."), enters_within_s=0.3, leaves_within_s=1.0)


def test_gaps_are_measured():
    presence("xx..xx").assert_continuous(0.0, 0.5, longest_gap_s=0.3)
    with pytest.raises(AssertionError, match="0.300 s from 0.100 s"):
        presence("xx..xx").assert_continuous(0.0, 0.5, longest_gap_s=0.2)


def test_the_text_says_what_happened_instead():
    with pytest.raises(AssertionError, match=r"within 0.2 s of 0 s, reported first after 0.400 s"):
        presence("....xx").assert_reported_within(0.2, of_s=0.0)
    with pytest.raises(AssertionError, match="the run has none"):
        presence("..").assert_reported_within(1.0, of_s=5.0)


def person(index):
    there = 5 <= index < 12
    box = np.array([[0, 0, 10, 10]], np.float32) if there else np.empty((0, 4), np.float32)
    return Detections(box, np.ones(len(box), np.float32), np.full(len(box), 2, np.int32))


def test_a_replayed_bag_is_held_against_the_truth_in_it(tmp_path, write_bag, red_finder):
    bag = write_bag(frames=20, visible=lambda index: 7 <= index < 14, truth=person)
    replay(bag, tmp_path / "out", red_finder())
    run = ReplayedRun(tmp_path / "out")
    truth = run.true_presence(bag, "person")
    assert truth.intervals == [Interval(0.5, 1.1)]
    seen = run.presence("person", min_score=0.5)
    seen.assert_follows(truth, enters_within_s=0.3, leaves_within_s=1.0)
    with pytest.raises(AssertionError):
        seen.assert_follows(truth, enters_within_s=0.1, leaves_within_s=1.0)
    assert run.presence("person", min_score=0.95).intervals == []
    assert run.presence("person", region=(0, 0, 5, 5)).intervals == []
    with pytest.raises(ValueError, match="Expected a camera"):
        run.presence("person", camera="rear")


def test_the_plugin_replays_once_a_session(pytester, write_bag, model):
    bag = write_bag()
    pytester.makeconftest('pytest_plugins = ["mtv_perception.pytest_plugin"]')
    pytester.makepyfile(
        f"""
        def test_it(mtv_replay):
            run = mtv_replay({str(bag)!r})
            assert run is mtv_replay({str(bag)!r})
            assert len(run.frames()) == 6
            run.presence("person", min_score=1.0).assert_absent(0.0, 1.0)
        """
    )
    result = pytester.runpytest_subprocess(f"--mtv-model={model}", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def at_the_gate(index):
    box = np.array([[0, 0, 10, 10]] if 42 <= index < 90 else [], np.float32).reshape(-1, 4)
    return Detections(box, np.ones(len(box), np.float32), np.full(len(box), 2, np.int32))


def test_the_example_of_the_docs_holds_on_a_bag_that_is_as_it_says(pytester, write_bag):
    page = (ROOT / "docs/how-to/test-with-bags.md").read_text()
    example = next(
        code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "mtv_replay" in code
    )
    bag = write_bag(frames=120, visible=lambda index: 43 <= index < 95, truth=at_the_gate)
    shutil.move(bag, pytester.mkdir("bags") / "gate")
    # The model is the one of these tests: what is red is a person.
    pytester.makeconftest(
        f"""
        import importlib.util
        import pytest

        spec = importlib.util.spec_from_file_location("bags_of_tests", {str(ROOT / "test/conftest.py")!r})
        bags_of_tests = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(bags_of_tests)
        pytest_plugins = ["mtv_perception.pytest_plugin"]

        @pytest.fixture(scope="session")
        def mtv_perceiver():
            return bags_of_tests.RedFinder()
        """
    )
    pytester.makepyfile(example)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)


pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    "check",
    [
        lambda seen: seen.assert_absent(60, 70),
        lambda seen: seen.assert_gone_after(1, of_s=50),
        lambda seen: seen.assert_gone_after(1, of_s=50, until_s=60),
        lambda seen: seen.assert_reported_within(1, of_s=50),
    ],
)
def test_a_time_that_the_run_never_saw_proves_nothing(check):
    with pytest.raises(AssertionError, match="the run has none"):
        check(presence("." * 100))


@pytest.mark.parametrize("frames", [0, 5, 60])
def test_a_run_that_lost_its_end_does_not_follow(frames):
    truth, cut = presence("." * 100), presence("." * frames)
    with pytest.raises(AssertionError, match="the run has none"):
        cut.assert_follows(truth, enters_within_s=0.3, leaves_within_s=0.5)
    truth.assert_follows(truth, enters_within_s=0.3, leaves_within_s=0.5)


def test_the_plugin_fails_on_a_damaged_bag_unless_it_is_allowed(pytester, write_bag, draw, model):
    bag = write_bag(frames=24, pixels=lambda index: draw(index, size_hw=(240, 320)))
    (file,) = bag.glob("*.mcap")
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    pytester.makeconftest('pytest_plugins = ["mtv_perception.pytest_plugin"]')
    pytester.makepyfile(
        f"""
        import pytest
        from mtv_perception.errors import ReplayError

        def test_it(mtv_replay):
            for _ in "ab":
                with pytest.raises(ReplayError, match="expected a whole input"):
                    mtv_replay({str(bag)!r})
            assert 0 < len(mtv_replay({str(bag)!r}, allow_damage=True).frames()) < 24
        """
    )
    result = pytester.runpytest_subprocess(f"--mtv-model={model}", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def test_a_truth_of_which_nothing_is_judged_is_no_success():
    truth = presence("..x...x....")
    with pytest.raises(AssertionError, match="shorter ones only"):
        presence("...........").assert_follows(truth, enters_within_s=0.3, leaves_within_s=1.0)


def test_a_presence_of_exactly_the_limit_is_judged():
    truth = Presence("person", np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, True, False]))
    unseen = Presence("person", truth.times_s, np.zeros(4, bool))
    with pytest.raises(AssertionError, match="reported never"):
        unseen.assert_follows(truth, enters_within_s=0.1, leaves_within_s=1.0)


@pytest.mark.parametrize("times", [(9.0, 4.0, 1.0), (0.0, 0.5, float("nan")), (0.0, 0.5, -1.0)])
def test_times_that_can_not_be_judged_are_refused(times):
    begin, end, gap = times
    with pytest.raises(ValueError, match="from a beginning to an end"):
        presence("xx..xx").assert_continuous(begin, end, longest_gap_s=gap)


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": (0, 0, 1, 1)},
        {"region": (64, 48, 0, 0)},
        {"region": (0, float("nan"), 64, 48)},
        {"min_score": 50},
        {"min_score": -1},
    ],
)
def test_what_no_detection_could_fulfil_is_refused(tmp_path, write_bag, red_finder, wrong):
    replay(write_bag(frames=3), tmp_path / "out", red_finder())
    with pytest.raises(ValueError, match="Expected"):
        ReplayedRun(tmp_path / "out").presence("person", **wrong)


def test_a_run_that_was_interrupted_is_refused(tmp_path, write_bag, red_finder):
    replay(write_bag(frames=4), tmp_path / "out", red_finder())
    state = tmp_path / "out" / "replay.yaml"
    state.write_text(state.read_text().replace("state: done", "state: running"))
    with pytest.raises(ReplayError, match="expected a whole run, got a damaged one"):
        ReplayedRun(tmp_path / "out")
    assert ReplayedRun(tmp_path / "out", allow_damage=True).frames()


def test_stamps_that_stand_still_tell_no_times(tmp_path, write_bag, red_finder):
    replay(write_bag(frames=4, stamp=lambda index: 0), tmp_path / "out", red_finder())
    with pytest.raises(ValueError, match="stamps of their own"):
        ReplayedRun(tmp_path / "out").presence("person")
