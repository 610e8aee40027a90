import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtv_perception.ros.perception.worker import NewestFrameWorker

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


def wait_until(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def finish(worker, gate):
    gate.go.release()
    wait_until(lambda: not worker.busy_seconds())


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


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (10.0, 1.0, 0.5)])
def test_saturated_cameras_share_the_worker_by_weight(started, weights):
    done, served, turns = threading.Event(), [], 600

    def work(camera, frame):
        served.append(camera)
        if len(served) < turns:
            for name in "abc":
                worker.submit(name, frame + 1)
        else:
            done.set()
        return "processed"

    worker = NewestFrameWorker("abc", work, weights)
    for name in "abc":
        worker.submit(name, 0)
    worker.start()
    assert done.wait(DEADLINE) and worker.stop(DEADLINE)
    for name, weight in zip("abc", weights, strict=True):
        assert served[:turns].count(name) == pytest.approx(
            turns * weight / sum(weights), rel=0.05, abs=1
        )


def test_frames_beyond_the_rate_are_dropped_at_arrival_and_the_newest_still_wins(started):
    gate = Gate()
    worker = started(["a", "b"], gate)
    worker.configure((), (0.001, 0.0))
    worker.submit("b", 0)
    begun(gate)
    for frame in (
        1,
        2,
        3,
    ):  # The first has the permission; while it waits, newer ones take it over.
        worker.submit("a", frame)
    gate.go.release()
    begun(gate)
    worker.submit("a", 4)
    finish(worker, gate)
    assert gate.seen == [("b", 0), ("a", 3)]
    counters = worker.counters["a"]
    assert (counters.received, counters.processed, counters.dropped) == (4, 1, 3)


@pytest.mark.parametrize("max_rates", [(), (0.001,)])
def test_an_idle_worker_uses_no_processor(started, max_rates):
    worker = NewestFrameWorker("a", lambda camera, frame: "processed", (), max_rates)
    worker.start()
    worker.submit("a", 0)
    worker.submit("a", 1)
    time.sleep(0.05)
    begin = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - begin < 0.05
    assert worker.stop(DEADLINE)


def test_an_abandoned_frame_is_never_delivered_and_others_go_on(started):
    late, go, seen = [], threading.Event(), []

    def work(camera, frame):
        if frame == "hangs":
            assert go.wait(DEADLINE)
            late.append(worker.deliver())
        else:
            seen.append(worker.deliver())
        return "processed"

    worker = started(["a"], work)
    assert not worker.abandon(), "nothing is in work"
    worker.submit("a", "hangs")
    wait_until(worker.busy_seconds)
    assert worker.abandon()
    assert not worker.busy_seconds() and worker.left_behind() == 1
    worker.submit("a", "waits")
    worker.start()
    wait_until(lambda: seen == [True])
    go.set()
    wait_until(lambda: not worker.left_behind())
    wait_until(lambda: worker.counters["a"].processed)
    assert late == [False]
    assert vars(worker.counters["a"]) == {
        "received": 2,
        "processed": 1,
        "dropped": 0,
        "stale": 0,
        "failed": 1,
    }


def test_a_result_on_its_way_out_is_not_abandoned(started):
    gate = Gate()

    def work(camera, frame):
        assert worker.deliver()
        return gate(camera, frame)

    worker = started(["a"], work)
    worker.submit("a", 0)
    begun(gate)
    assert not worker.abandon()
    finish(worker, gate)
    assert worker.counters["a"].processed == 1


def test_a_worker_can_be_stopped_between_abandoning_and_starting_again(started):
    gate = Gate()
    worker = started(["a"], gate)
    worker.submit("a", 0)
    begun(gate)
    assert worker.abandon()
    assert worker.stop(DEADLINE)
    worker.start()
    assert worker.stop(DEADLINE)
    gate.go.release()
    wait_until(lambda: not worker.left_behind())


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    jobs=st.lists(
        st.tuples(
            st.sampled_from("abc"), st.sampled_from(["processed", "stale", "failed", "dropped"])
        )
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
        assert (
            counters.received
            == counters.processed + counters.dropped + counters.stale + counters.failed
        )
