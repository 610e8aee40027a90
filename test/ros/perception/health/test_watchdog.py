from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")

from mtv_perception.ros.perception.health import watchdog as watchdog_module
from mtv_perception.ros.perception.health.watchdog import Watchdog

TIMEOUT = 5.0


class Worker:
    """A worker that hangs on demand."""

    def __init__(self):
        self.busy, self.left, self.calls = 0.0, 0, []

    def busy_seconds(self):
        return self.busy

    def left_behind(self):
        return self.left

    def abandon(self):
        self.calls.append("abandon")
        self.busy, self.left = 0.0, self.left + 1
        return True

    def start(self):
        self.calls.append("start")


class Slot:
    """An slot that loads when told."""

    def __init__(self):
        self.pending = []

    def reload(self, settings, done):
        assert settings is None
        self.pending.append(done)


@pytest.fixture
def world(monkeypatch):
    """A watchdog, whom it watches, and its clock."""
    world = SimpleNamespace(now=100.0, worker=Worker(), slot=Slot())
    log = SimpleNamespace(error=lambda *_, **__: None, warning=lambda *_, **__: None)
    monkeypatch.setattr(watchdog_module.time, "monotonic", lambda: world.now)

    node = SimpleNamespace(get_logger=lambda: log)
    world.dog = Watchdog(node, world.worker, world.slot)
    return world


def test_all_is_well(world):
    world.worker.busy = TIMEOUT
    world.dog.failed()
    world.dog.failed()
    world.dog.check(TIMEOUT)
    assert (world.dog.error, world.worker.calls, world.slot.pending) == ("", [], [])


def test_a_hung_network_is_abandoned_at_once_and_works_again_once_it_is_loaded(world):
    world.worker.busy = 5.5
    world.dog.check(TIMEOUT)
    assert "hung for 5.5 s" in world.dog.error
    assert world.worker.calls == ["abandon"]
    world.slot.pending.pop()("")
    assert world.worker.calls == ["abandon", "start"]
    assert (world.dog.error, world.dog.recoveries) == ("", 1)


def test_there_is_one_recovery_at_a_time(world):
    world.worker.busy = 5.5
    world.dog.check(TIMEOUT)
    for _ in range(9):
        world.now += TIMEOUT
        world.dog.failed()
        world.dog.check(TIMEOUT)
    assert len(world.slot.pending) == 1


def test_a_load_that_fails_is_tried_again_after_a_pause_without_a_worker_meanwhile(world):
    world.worker.busy = 5.5
    world.dog.check(TIMEOUT)
    world.slot.pending.pop()("corrupt")
    assert "can't be loaded again: corrupt" in world.dog.error
    world.now += TIMEOUT - 0.1
    world.dog.check(TIMEOUT)
    assert not world.slot.pending and "corrupt" in world.dog.error
    world.now += 0.1
    world.dog.check(TIMEOUT)
    assert world.worker.calls == ["abandon"]
    world.slot.pending.pop()("")
    assert world.worker.calls == ["abandon", "start"]


def test_a_network_that_goes_on_failing_is_loaded_at_most_once_a_timeout(world):
    loads = 0
    for _ in range(60):
        world.now += 1.0
        for _ in range(3):
            world.dog.failed()
        world.dog.check(TIMEOUT)
        loads += len(world.slot.pending)
        while world.slot.pending:
            world.slot.pending.pop()("")
    assert loads == 60 / TIMEOUT
    assert world.worker.calls == []


def test_with_too_many_threads_left_behind_it_stops_trying_until_one_returns(world):
    for hang in range(6):
        world.now += 10.0
        world.worker.busy = 6.0
        world.dog.check(TIMEOUT)
        if hang < 3:
            world.slot.pending.pop()("")
    assert world.worker.calls.count("abandon") == 3
    assert world.dog.exhausted and "started again" in world.dog.error
    world.worker.left = 2
    world.dog.check(TIMEOUT)
    assert "hung" in world.dog.error and world.slot.pending


def test_a_network_that_comes_back_by_itself_is_no_fault_any_more(world):
    world.worker.busy, world.worker.left = 6.0, 3
    world.dog.check(TIMEOUT)
    assert world.dog.error
    world.worker.busy = 0.0
    world.dog.check(TIMEOUT)
    assert not world.dog.error


def test_a_success_between_failures_ends_the_row(world):
    for _ in range(5):
        world.dog.failed()
        world.dog.failed()
        world.dog.succeeded()
        world.dog.check(TIMEOUT)
    assert not world.slot.pending


def test_recovery_is_not_exhausted_once_the_network_comes_back(world):
    world.worker.busy, world.worker.left = 6.0, 3
    world.dog.check(TIMEOUT)
    assert world.dog.exhausted
    world.worker.busy = 0.0
    world.dog.check(TIMEOUT)
    assert not world.dog.exhausted
