import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtv_perception.ros.worker import NewestFrameWorker

DEADLINE = 60.0


class Gate:
    """Work that notes what it gets and goes on when told."""

    def __init__(self, outcome="processed"):
        self.seen, self.outcome = [], outcome
        self.begun, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, camera, frame):
        self.seen.append((camera, frame))
        self.begun.release()
        assert self.go.acquire(timeout=DEADLINE)
        return self.outcome


@pytest.fixture
def started():
    """Starts workers, and ends them after the test."""
    workers = []

    def start(cameras, work):
        workers.append((NewestFrameWorker(cameras, work), work))
        workers[-1][0].start()
        return workers[-1][0]

    yield start
    for worker, work in workers:
        if isinstance(work, Gate):
            work.go.release(100)
        assert worker.stop(DEADLINE)


def begun(gate):
    assert gate.begun.acquire(timeout=DEADLINE)


def finish(worker, gate):
    gate.go.release()
    end = time.monotonic() + DEADLINE
    while worker.busy_seconds():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_the_newest_waiting_frame_wins(started):
    gate = Gate()
    worker = started(["a"], gate)
    worker.submit("a", 1)
    begun(gate)
    for frame in (2, 3, 4):
        worker.submit("a", frame)
    gate.go.release()
    begun(gate)
    assert gate.seen == [("a", 1), ("a", 4)]
    finish(worker, gate)
    assert vars(worker.counters["a"]) == {
        "received": 4,
        "processed": 2,
        "dropped": 2,
        "stale": 0,
        "failed": 0,
    }


def test_a_camera_that_floods_does_not_starve_the_others(started):
    gate = Gate()
    worker = started(["a", "b", "c"], gate)
    worker.submit("a", 0)
    begun(gate)
    worker.submit("b", 0)
    worker.submit("c", 0)
    for number in range(1, 7):
        worker.submit("a", number)
        gate.go.release()
        begun(gate)
        for quiet in "bc":
            worker.submit(quiet, number)
    assert [camera for camera, _ in gate.seen] == ["a", "b", "c", "a", "b", "c", "a"]


@pytest.mark.parametrize("outcome", ["processed", "stale", "failed", "dropped"])
def test_the_outcome_of_work_is_counted(started, outcome):
    gate = Gate(outcome)
    worker = started(["a", "b"], gate)
    worker.submit("a", 0)
    begun(gate)
    assert worker.busy_seconds() > 0
    finish(worker, gate)
    assert vars(worker.counters["a"])[outcome] == 1
    assert not any(vars(worker.counters["b"]).values())


def test_discarded_frames_are_counted_as_dropped(started):
    gate = Gate()
    worker = started(["a", "b"], gate)
    worker.submit("a", 0)
    begun(gate)
    worker.submit("a", 1)
    worker.submit("b", 1)
    worker.discard()
    finish(worker, gate)
    assert gate.seen == [("a", 0)]
    assert (worker.counters["a"].dropped, worker.counters["b"].dropped) == (1, 1)


def test_a_frame_in_work_does_not_count_after_a_reset(started):
    gate = Gate()
    worker = started(["a"], gate)
    worker.submit("a", 0)
    begun(gate)
    worker.reset_counters()
    finish(worker, gate)
    assert not any(vars(worker.counters["a"]).values())


def test_stopping_waits_for_the_frame_in_work_and_says_when_it_does_not_end(started):
    gate = Gate()
    worker = started(["a"], gate)
    worker.submit("a", 0)
    begun(gate)
    assert not worker.stop(0.01)
    gate.go.release()
    assert worker.stop(DEADLINE)


def test_a_worker_that_never_started_can_be_stopped():
    assert NewestFrameWorker(["a"], lambda camera, frame: "processed").stop()


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    jobs=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["processed", "stale", "failed", "dropped"]))
    ),
    discards=st.sets(st.integers(0, 50)),
)
def test_the_counters_add_up(jobs, discards):
    worker = NewestFrameWorker("abc", lambda camera, outcome: outcome)
    worker.start()
    for index, (camera, outcome) in enumerate(jobs):
        worker.submit(camera, outcome)
        if index in discards:
            worker.discard()
    assert worker.stop(DEADLINE)
    worker.discard()
    for camera, counters in worker.counters.items():
        assert counters.received == sum(name == camera for name, _ in jobs)
        assert counters.received == counters.processed + counters.dropped + counters.stale + counters.failed
