"""A small read-only web server for the newest picture and the counters. No ROS."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

from mtv_perception.ros.tools.web_page import PAGE

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 80]
_BOUNDARY = "frame"
_POINTS = 240
_SEND_TIMEOUT_S = 10.0
# A picture older than this is not shown as the present one.
_RECENT_S = 1.0
_MOST_STREAMS = 8
_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
# The page may load nothing but what is in it or served beside it.
_POLICY = "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
_COUNTERS = ("received", "processed", "dropped", "stale", "failed", "detections")


class ViewState:
    """What the page shows; written by the node, read by the server's threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jpeg, self._serial, self._shown_at = b"", 0, -math.inf
        self._status: dict[str, Any] = {"model_id": "", **dict.fromkeys(_COUNTERS, 0)}
        self._total: deque[float] = deque(maxlen=_POINTS)
        self._network: deque[float] = deque(maxlen=_POINTS)
        self._updated_at: float | None = None
        self._watchers = 0
        self.closed = False

    @property
    def watched(self) -> bool:
        """Whether someone looks at the pictures."""
        return self._watchers > 0

    def show(self, image_rgb: np.ndarray) -> None:
        """Take a new picture, `(H, W, 3)` uint8."""
        _, coded = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), _JPEG)
        with self._changed:
            self._jpeg, self._serial = coded.tobytes(), self._serial + 1
            self._shown_at = time.monotonic()
            self._changed.notify_all()

    def report(
        self, model_id: str, counters: dict[str, int], total_ms: float, network_ms: float
    ) -> None:
        """Take a frame's figures."""
        with self._changed:
            self._status = {"model_id": model_id, **counters}
            self._total.append(total_ms)
            self._network.append(network_ms)
            self._updated_at = time.monotonic()

    def snapshot(self) -> dict[str, Any]:
        """Everything but the picture, for JSON."""
        with self._changed:
            total, network = list(self._total), list(self._network)
            age = None if self._updated_at is None else time.monotonic() - self._updated_at
            latency = {
                f"p{q}": float(np.percentile(total, q)) if total else None for q in (50, 95, 99)
            }
            return {
                **self._status,
                "age_s": age,
                "latency_ms": latency,
                "series": {"total": total, "network": network},
            }

    def newer(self, serial: int, timeout_s: float) -> tuple[int, bytes]:
        """The first picture after `serial`, waiting for it; an empty one when none came or the server ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._serial > serial or self.closed, timeout_s)
            return (self._serial, self._jpeg) if self._serial > serial else (serial, b"")

    def begin(self) -> int:
        """The serial after which a new watcher begins: the newest picture is shown to it only if that is recent."""
        with self._changed:
            recent = time.monotonic() - self._shown_at < _RECENT_S
            return self._serial - 1 if recent else self._serial

    def enter(self) -> bool:
        """A watcher comes; False when there are too many."""
        with self._changed:
            if self._watchers >= _MOST_STREAMS:
                return False
            self._watchers += 1
            return True

    def leave(self) -> None:
        """A watcher goes."""
        with self._changed:
            self._watchers -= 1

    def close(self) -> None:
        """Release whoever waits."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()


class WebServer:
    """Serves a ViewState until closed.

    Args:
        state: what to show.
        host: address to listen on; pictures of a workplace belong on the loopback unless someone
            decides otherwise.
        port: 0 for any free one.
    """

    def __init__(self, state: ViewState, host: str = "127.0.0.1", port: int = 8080) -> None:
        self._state = state
        self._server = ThreadingHTTPServer((host, port), _handler(state, host in _LOOPBACK))
        self._server.daemon_threads = True
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


def _handler(state: ViewState, local_only: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SEND_TIMEOUT_S
        server_version = "mtv_perception"
        sys_version = ""

        def do_GET(self) -> None:
            # A page from elsewhere may name this address as its own (DNS rebinding); its Host gives
            # it away.
            if local_only and _name(self.headers.get("Host", "")) not in _LOOPBACK:
                self.send_error(HTTPStatus.FORBIDDEN, "served to localhost only")
                return
            answers = {
                "/": lambda: self._send(PAGE.encode(), "text/html; charset=utf-8"),
                "/status.json": lambda: self._send(
                    json.dumps(state.snapshot()).encode(), "application/json"
                ),
                "/frame.jpg": self._frame,
                "/stream.mjpg": self._stream,
            }
            answer = answers.get(self.path.partition("?")[0])
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
            if not state.enter():
                self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "too many watchers")
                return
            try:
                _, jpeg = state.newer(state.begin(), 2.0)
            finally:
                state.leave()
            if jpeg:
                self._send(jpeg, "image/jpeg")
            else:
                self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, "no picture yet")

        def _stream(self) -> None:
            if not state.enter():
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
                state.leave()

        def _send_pictures(self) -> None:
            serial = state.begin()
            while not state.closed:
                serial, jpeg = state.newer(serial, 1.0)
                if jpeg:
                    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Silent: a page asks twice a second."""

    return Handler


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    return host if host.endswith("]") else host.rpartition(":")[0] or host
