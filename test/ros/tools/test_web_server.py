import contextlib
import http.client
import json
import socket
import struct
import sys
import threading
import time

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="mtv_perception.ros needs a ROS 2")

from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros.tools import view_state, web_server
from mtv_perception.ros.tools.view_state import ViewState
from mtv_perception.ros.tools.web_server import WebServer

sys.path.insert(0, str(SOURCE_ROOT / "tools" / "pictures"))
import browser

DEADLINE = 60.0


@pytest.fixture
def served():
    state = ViewState()
    server = WebServer(state, port=0)
    yield state, server
    server.close()


def ask(server, path, method="GET", host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
    connection.request(method, path, headers={"Host": host} if host else {})
    return connection.getresponse()


def feed(state, stop):
    """A red picture and figures, again and again."""
    picture = np.zeros((240, 320, 3), np.uint8)
    picture[..., 0] = 230
    processed = 0
    while not stop.wait(0.05):
        processed += 1
        state.show(picture)
        state.report(
            "toy-v1", {"received": processed, "processed": processed}, 20.0 + processed % 5, 11.0
        )


@pytest.fixture
def fed(served):
    state, server = served
    stop = threading.Event()
    thread = threading.Thread(target=feed, args=(state, stop), daemon=True)
    thread.start()
    yield state, server
    stop.set()
    thread.join()


def test_the_page_needs_nothing_from_elsewhere(served):
    answer = ask(served[1], "/")
    text = answer.read().decode()
    assert answer.status == 200 and answer.headers["X-Frame-Options"] == "DENY"
    assert "http://" not in text and "https://" not in text


def test_figures_come_as_json(served):
    state, server = served
    empty = json.loads(ask(server, "/status.json").read())
    assert empty["age_s"] is None and empty["latency_ms"]["p50"] is None
    state.report("toy", {"received": 3, "processed": 2}, 20.0, 10.0)
    figures = json.loads(ask(server, "/status.json").read())
    assert (figures["model_id"], figures["received"], figures["latency_ms"]["p50"]) == (
        "toy",
        3,
        20.0,
    )


def test_a_stream_brings_pictures_and_watchers_are_counted(fed):
    state, server = fed
    assert not state.watched
    answer = ask(server, "/stream.mjpg")
    assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace")
    head = b"".join(answer.readline() for _ in range(4))
    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    picture = cv2.imdecode(np.frombuffer(answer.read(length), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert picture.shape == (240, 320, 3) and picture[0, 0, 0] > 200
    assert state.watched
    answer.close()
    end = time.monotonic() + DEADLINE
    while state.watched and time.monotonic() < end:
        time.sleep(0.05)
    assert not state.watched


def test_nothing_can_be_changed(served):
    for method in ("POST", "PUT", "DELETE"):
        assert ask(served[1], "/", method).status == 501
    assert ask(served[1], "/etc/passwd").status == 404
    assert ask(served[1], "/../../etc/passwd").status == 404


def test_other_names_for_this_machine_are_refused(served):
    assert ask(served[1], "/status.json", host="evil.example:8080").status == 403
    assert ask(served[1], "/status.json", host=f"localhost:{served[1].port}").status == 200


@pytest.mark.parametrize("listening", ["127.0.0.1", "0.0.0.0", "192.168.1.7"])
@pytest.mark.parametrize(
    ("header", "anywhere"),
    [
        ("evil.example:8080", False),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("192.168.1.7:8080", True),
        ("[fe80::1]:8080", True),
        (f"{socket.gethostname()}:80", True),
        ("robot7.fleet:8080", True),
        ("ROBOT7.fleet.", True),
        ("localhost:8080", True),
        ("127.0.0.1", True),
    ],
)
def test_only_addresses_and_this_machines_names_are_answered(listening, header, anywhere):
    names = web_server._Names(listening, frozenset({"Robot7.fleet"}))
    local = ("localhost:8080", "127.0.0.1", "robot7.fleet:8080", "ROBOT7.fleet.")
    expected = anywhere if listening != "127.0.0.1" else header in local
    assert names.accepts(header) == expected


def test_the_names_are_checked_on_an_address_of_the_network_too():
    server = WebServer(ViewState(), "0.0.0.0", 0, ["robot7"])
    try:
        assert ask(server, "/status.json", host="evil.example").status == 403
        assert ask(server, "/status.json", host="robot7").status == 200
        assert ask(server, "/status.json").status == 200
    finally:
        server.close()


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: l"])
def test_a_client_that_never_ends_its_request_is_cut_off(served, monkeypatch, sent):
    monkeypatch.setattr(web_server, "_HEAD_LIMIT_S", 0.2)
    with socket.create_connection(("127.0.0.1", served[1].port), timeout=DEADLINE) as client:
        client.sendall(sent)
        assert client.recv(1) == b""
    assert ask(served[1], "/").status == 200


@pytest.mark.parametrize("path", ["/", "/status.json", "/frame.jpg", "/stream.mjpg"])
def test_a_client_that_leaves_early_leaves_no_traceback(fed, capfd, path):
    for _ in range(10):
        client = socket.create_connection(("127.0.0.1", fed[1].port), timeout=DEADLINE)
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        # Closed with a reset, as by a browser that is killed.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    end = time.monotonic() + DEADLINE
    while fed[0].watched and time.monotonic() < end:
        time.sleep(0.05)
    assert ask(fed[1], "/").status == 200
    assert "Traceback" not in capfd.readouterr().err


def test_more_clients_than_a_few_are_refused_and_places_are_given_back(served):
    clients = [
        socket.create_connection(("127.0.0.1", served[1].port), timeout=DEADLINE)
        for _ in range(web_server._MOST_CONNECTIONS + 1)
    ]
    assert clients[-1].recv(1) == b""
    for client in clients:
        client.close()
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            assert ask(served[1], "/").status == 200
            break
        except (ConnectionError, http.client.HTTPException):
            time.sleep(0.05)
    else:
        pytest.fail("no place was given back")


def test_without_a_picture_the_frame_says_so(served):
    assert ask(served[1], "/frame.jpg").status == 503


def test_an_old_picture_is_not_shown_as_the_present_one(served, monkeypatch):
    state, server = served
    state.show(np.zeros((24, 32, 3), np.uint8))
    assert ask(server, "/frame.jpg").status == 200

    monkeypatch.setattr(view_state, "_RECENT_S", 0.0)
    assert ask(server, "/frame.jpg").status == 503


@pytest.fixture
def page(tmp_path):
    """A headless Chromium."""
    try:
        program = browser.find_browser()
    except browser.ToolMissing as error:
        pytest.skip(str(error))
    with browser.Browser(program, tmp_path / "profile", (900, 500)) as opened:
        yield opened


class Link:
    """A connection to a server that can be lost without a word, as over Wi-Fi."""

    def __init__(self, port):
        self.lost, self._to = threading.Event(), port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    @staticmethod
    def _start(work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._start(self._carry, client, server)
                self._start(self._carry, server, client)

    def _carry(self, one, other):
        with contextlib.suppress(OSError):
            part = b"-"
            while part:
                part = one.recv(1 << 16)
                while self.lost.is_set():
                    time.sleep(0.01)
                other.sendall(part)
            other.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._listener.close()
        self.lost.clear()


def test_a_lost_connection_is_not_the_present(fed, page):
    state, server = fed
    link = Link(server.port)
    state.tell("counts", {"person": 1})
    state.tell("zones", [{"name": "stop", "state": "free", "reason": ""}])
    page.open(f"http://127.0.0.1:{link.port}/")
    page.wait_for("get('zones').textContent.startsWith('stop: ')")
    page.wait_for("get('state').textContent === 'running'")

    link.lost.set()
    page.wait_for("get('state').textContent === 'the node does not answer'")
    assert page.value("get('zones').children.length") == 0
    assert page.value("get('counts').textContent + get('fps').textContent") == "-"

    link.lost.clear()
    page.wait_for("get('state').textContent === 'running'")
    link.close()


def shown(page):
    """The colour in the middle of the page's picture."""
    place = "(b => [b.left + b.width / 2, b.top + b.height / 2])(get('picture').getBoundingClientRect())"
    x, y = map(round, page.value(place))
    return page.picture()[y, x].astype(int)


def test_a_picture_that_stays_is_taken_away_though_results_come(served, page):
    state, server = served
    page.open(f"http://127.0.0.1:{server.port}/")
    page.wait_for("get('state').textContent === 'no result yet'")

    def until(condition, picture):
        end = time.monotonic() + DEADLINE
        while not page.value(condition):
            assert time.monotonic() < end, condition
            state.report("toy-v1", {}, 20.0, 11.0)
            if picture is not None:
                state.show(picture)
            time.sleep(0.05)

    white = np.full((240, 320, 3), 230, np.uint8)
    until("get('picture').naturalWidth === 320 && get('state').textContent === 'running'", white)
    assert shown(page).min() > 200
    until("get('state').textContent === 'no picture'", None)
    assert shown(page).max() < 20


def test_a_node_that_was_started_again_is_asked_for_its_pictures(page):
    state = ViewState()
    server = WebServer(state, port=0)
    stop = threading.Event()
    threading.Thread(target=feed, args=(state, stop), daemon=True).start()
    page.open(f"http://127.0.0.1:{server.port}/")
    page.wait_for("get('picture').naturalWidth === 320")
    server.close()
    stop.set()
    page.wait_for("get('state').textContent === 'the node does not answer'")
    assert shown(page).max() < 20

    again = ViewState()
    server, stop = WebServer(again, port=server.port), threading.Event()
    threading.Thread(target=feed, args=(again, stop), daemon=True).start()
    page.wait_for("get('state').textContent === 'running'")
    assert again.watched and shown(page)[0] > 180
    stop.set()
    server.close()


def test_a_page_gets_its_pictures_beside_a_watcher_without_a_name(fed, page):
    other = ask(fed[1], "/stream.mjpg")
    page.open(f"http://127.0.0.1:{fed[1].port}/")
    page.wait_for("get('picture').naturalWidth === 320")
    other.close()


def test_a_real_browser_draws_page_picture_and_chart(fed, page):
    """Chromium, headless: a screenshot with the red picture, and the state in the page's text."""
    page.open(f"http://127.0.0.1:{fed[1].port}/")
    page.wait_for("get('picture').naturalWidth === 320")
    page.wait_for("get('title').textContent === 'toy-v1'")
    page.wait_for("get('state').textContent === 'running'")
    pixels = page.picture().astype(int)
    red = (pixels[..., 0] > 180) & (pixels[..., 1] < 60) & (pixels[..., 2] < 60)
    assert red.sum() > 50_000
    blue_line = (abs(pixels - (86, 180, 233)) < 40).all(-1)
    assert blue_line.sum() > 100
