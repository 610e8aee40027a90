"""A small read-only web server for the newest picture and the counters. No ROS."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mtv_perception.ros.tools.view_state import ViewState
from mtv_perception.ros.tools.web_page import PAGE

_BOUNDARY = "frame"
_SEND_TIMEOUT_S = 10.0
# Streams (see view_state.py), and what pages ask for meanwhile.
_MOST_CONNECTIONS = 32
# A browser sends its request at once; this leaves time for a slow network.
_HEAD_LIMIT_S = 10.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
# The page may load nothing but what is in it or served beside it.
_POLICY = "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"


class WebServer:
    """Serves a ViewState until closed.

    Args:
        state: what to show.
        host: address to listen on; pictures of a workplace belong on the loopback unless someone
            decides otherwise.
        port: 0 for any free one.
        names: further names by which browsers may call this machine.
    """

    def __init__(
        self,
        state: ViewState,
        host: str = "127.0.0.1",
        port: int = 8080,
        names: Iterable[str] = (),
    ) -> None:
        self._state = state
        self._server = _Server((host, port), _handler(state, _Names(host, frozenset(names))))
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="web-view", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Listening here."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening and end the streams."""
        self._state.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


class _Server(ThreadingHTTPServer):
    """One thread a connection, and not more of them than a few."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._slots = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@dataclass(frozen=True)
class _Names:
    """Which Host headers are answered.

    A page from elsewhere may name this address as its own (DNS rebinding); the Host gives it away,
    because it is a name and neither an address nor this machine's own name.

    Attributes:
        listening: the address that is listened on.
        further: names that are accepted too.
    """

    listening: str
    further: frozenset[str]

    def accepts(self, header: str) -> bool:
        """Whether a request with this Host header is answered."""
        name = _name(header).lower().rstrip(".")
        if name in _LOOPBACK or name in {item.lower() for item in self.further}:
            return True
        own = socket.gethostname().lower()
        if self.listening in _LOOPBACK:
            return False
        return _is_address(name) or name in (own, f"{own.partition('.')[0]}.local")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class _Handler(BaseHTTPRequestHandler):
    """What one connection gets; `state` and `names` are those of its server."""

    state: ViewState
    names: _Names
    timeout = _SEND_TIMEOUT_S
    server_version = "mtv_perception"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        # `timeout` is one for each read: without this a client could send a byte at a time.
        self._too_late = threading.Timer(_HEAD_LIMIT_S, self._cut)
        self._too_late.daemon = True
        self._too_late.start()

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def parse_request(self) -> bool:
        try:
            return super().parse_request()
        finally:
            self._too_late.cancel()

    def finish(self) -> None:
        self._too_late.cancel()
        super().finish()

    def do_GET(self) -> None:
        if not self.names.accepts(self.headers.get("Host", "")):
            self.send_error(HTTPStatus.FORBIDDEN, "not served under this name")
            return
        path, _, watcher = self.path.partition("?")
        answers: dict[str, Callable[[], None]] = {
            "/": lambda: self._send(PAGE.encode(), "text/html; charset=utf-8"),
            "/status.json": lambda: self._send(
                json.dumps(self.state.snapshot(watcher), allow_nan=False).encode(),
                "application/json",
            ),
            "/frame.jpg": self._frame,
            "/stream.mjpg": lambda: self._stream(watcher),
        }
        answer = answers.get(path)
        if answer is None:
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            answer()

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Content-Security-Policy", _POLICY)
        self.end_headers()
        self.wfile.write(content)

    def _frame(self) -> None:
        if not self.state.enter():
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "too many watchers")
            return
        try:
            _, jpeg = self.state.newer(self.state.begin(), 2.0)
        finally:
            self.state.leave()
        if jpeg:
            self._send(jpeg, "image/jpeg")
        else:
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "no picture yet")

    def _stream(self, watcher: str) -> None:
        if not self.state.enter(watcher):
            self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "too many watchers")
            return
        try:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self._send_pictures()
        except OSError:  # The watcher has gone, or reads too slowly.
            pass
        finally:
            self.state.leave(watcher)

    def _send_pictures(self) -> None:
        serial = self.state.begin()
        while not self.state.closed:
            serial, jpeg = self.state.newer(serial, 1.0)
            if jpeg:
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: a page asks twice a second."""


def _handler(state: ViewState, names: _Names) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"state": state, "names": names})


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    return host if host.endswith("]") else host.rpartition(":")[0] or host
