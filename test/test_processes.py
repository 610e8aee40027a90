"""Worker processes end with the one that began them."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtv_perception.processes import process_pool

# A background job, and a process that one with SIGINT ignored began, would not hear it.
_PARENT = """
import signal, sys
from mtv_perception.processes import process_pool
from test_processes import mark, nothing

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with process_pool(2, nothing) as pool:
        list(pool.map(mark, [sys.argv[1]] * 2 + [f"{sys.argv[1]}/late"] * 20))
"""


def nothing():
    pass


def mark(folder):
    """Say which process runs, then work for long."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(60)


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def parent(tmp_path):
    """A process that began two workers, and a folder of their process ids."""
    script, folder = tmp_path / "parent.py", tmp_path / "ids"
    script.write_text(_PARENT)
    folder.mkdir()
    paths = os.pathsep.join(
        [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    yield process, folder
    process.kill()
    process.wait()


def check_end(process, folder):
    _, errors = process.communicate(timeout=20)
    workers = [int(item.name) for item in folder.iterdir()]
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while any(map(is_alive, workers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return errors


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["one", "terminal"])
def test_an_interrupt_ends_the_workers_at_once_and_they_are_silent(parent, send):
    process, folder = parent
    send(process.pid, signal.SIGINT)
    errors = check_end(process, folder)
    assert errors.count("Traceback") == 1
    assert "ForkServer" not in errors and "Process Spawn" not in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_do_not_outlive_a_killed_parent(parent, number):
    process, folder = parent
    process.send_signal(number)
    check_end(process, folder)


def test_an_error_inside_waits_for_no_work():
    begun = time.monotonic()
    with pytest.raises(KeyError), process_pool(1, int) as pool:
        for _ in range(4):
            pool.submit(time.sleep, 60)
        raise KeyError("a")
    assert time.monotonic() - begun < 30
    assert multiprocessing.active_children() == []
