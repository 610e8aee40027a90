import socket

import pytest

from mtv_perception.ros.perception.health.notify import Notifier


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path):
    """A socket like systemd's, and its name in the environment."""
    name = str(tmp_path / "notify") if request.param == "file" else f"@mtv_{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(name.replace("@", "\0", 1))
        server.settimeout(5.0)
        yield server, {"NOTIFY_SOCKET": name}


def test_states_are_sent_and_ready_only_once(manager):
    server, environment = manager
    notifier = Notifier(environment)
    for _ in range(2):
        notifier.send_once("READY=1")
        notifier.send("WATCHDOG=1")
    heard = [server.recv(100) for _ in range(3)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/no/such/socket"}])
def test_without_a_manager_nothing_happens(environment):
    Notifier(environment).send("WATCHDOG=1")
