import threading

import pytest

from mtv_perception.ros.perception.gate import Gate

DEADLINE = 60.0


@pytest.fixture
def gate():
    """An open gate."""
    gate = Gate()
    gate.set_open(True)
    return gate


def passed(gate, epoch):
    out = []
    return gate.pass_through(epoch, lambda: out.append(1)) and out == [1]


def test_a_closed_gate_takes_nothing_in():
    gate = Gate()
    assert gate.opening is None and gate.enter(0) is None


def test_a_result_passes_in_its_epoch(gate):
    assert passed(gate, gate.enter(gate.opening))


@pytest.mark.parametrize("changes", [[False], [False, True], [False, True, False, True]])
def test_no_result_passes_after_a_closing(gate, changes):
    opening = gate.opening
    epoch = gate.enter(opening)
    for is_open in changes:
        gate.set_open(is_open)
    assert not passed(gate, epoch)
    assert gate.enter(opening) is None, "nor is a frame that waited worked on"


def test_an_exchange_ends_the_epoch_but_frames_that_wait_are_worked_on(gate):
    opening, seen = gate.opening, []
    epoch = gate.enter(opening)
    gate.exchange(lambda: seen.append("new model"))
    assert seen == ["new model"] and not passed(gate, epoch)
    assert passed(gate, gate.enter(opening))


def test_opening_an_open_gate_changes_nothing(gate):
    epoch = gate.enter(gate.opening)
    assert not gate.set_open(True)
    assert passed(gate, epoch)


def test_a_frame_that_was_given_up_does_not_pass():
    gate = Gate(lambda: False)
    gate.set_open(True)
    assert not passed(gate, gate.enter(gate.opening))


@pytest.mark.parametrize("transition", ["close", "exchange"])
def test_a_transition_waits_for_a_publication_and_none_begins_after_it(gate, transition):
    publishing, go, order = threading.Event(), threading.Event(), []

    def publish():
        publishing.set()
        assert go.wait(DEADLINE)
        order.append("published")

    def change():
        if transition == "close":
            gate.set_open(False)
        else:
            gate.exchange(lambda: None)
        order.append("changed")

    epoch = gate.enter(gate.opening)
    worker = threading.Thread(target=gate.pass_through, args=(epoch, publish))
    worker.start()
    assert publishing.wait(DEADLINE)
    executor = threading.Thread(target=change)
    executor.start()
    executor.join(0.05)
    assert executor.is_alive(), "it waits"
    go.set()
    executor.join(DEADLINE)
    worker.join(DEADLINE)
    assert order == ["published", "changed"]
    assert not passed(gate, epoch)


def test_a_publication_that_fails_leaves_the_gate_usable(gate):
    def fail():
        raise RuntimeError("no space")

    epoch = gate.enter(gate.opening)
    with pytest.raises(RuntimeError):
        gate.pass_through(epoch, fail)
    assert passed(gate, epoch)
