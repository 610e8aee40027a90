"""Pictures of pages by a headless Chromium, controlled through a pipe; needs no other package.

The commands are those of the Chrome DevTools Protocol,
https://chromedevtools.github.io/devtools-protocol/. Every message is JSON that a zero byte ends.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NAMES = (
    *("chromium-headless-shell", "chromium", "chromium-browser"),
    *("google-chrome", "google-chrome-stable", "chrome"),
)
"""What the browser is called, in the order in which PATH is searched."""

# A first start on a busy machine takes seconds.
_ANSWER_S = 60.0
_STEP_S = 0.1
_BYTES = 1 << 16
# Chromium reads commands from descriptor 3 and answers on 4.
_PIPES = 'exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1'


class ToolMissing(RuntimeError):
    """A program that only pictures need is not there."""


class PageError(RuntimeError):
    """The browser refused a command, ended, or the page did not become what was expected."""


class RefusedError(PageError):
    """The browser runs, but refused a command, or a script on the page failed."""


def find_browser(name: str = "") -> str:
    """The program's path.

    Args:
        name: program or path; by default the first of NAMES on PATH.

    Raises:
        ToolMissing: there is none.
    """
    for candidate in [name] if name else NAMES:
        if found := shutil.which(candidate):
            return found
    wanted = repr(name) if name else f"one of {', '.join(NAMES)} on PATH"
    raise ToolMissing(
        f"expected a Chromium, {wanted}, found none: apt-get install chromium-headless-shell, "
        "or name one with --browser"
    )


class Browser:
    """One page in a browser of its own; use as a context manager.

    Args:
        program: of `find_browser`.
        profile: folder for what the browser keeps; made.
        size_wh: of the page, pixels.
    """

    def __init__(self, program: str, profile: Path, size_wh: tuple[int, int]) -> None:
        self._command = [
            *("sh", "-c", _PIPES, program, "--headless", "--remote-debugging-pipe"),
            *("--no-first-run", "--hide-scrollbars", "--disable-gpu"),
            f"--user-data-dir={profile.resolve()}",
        ]
        # Chromium refuses to run as root inside its sandbox, as containers would have it.
        if os.geteuid() == 0:
            self._command.append("--no-sandbox")
        self._size_wh = size_wh
        self._session: str | None = None
        self._last_id = 0
        self._rest = b""

    def __enter__(self) -> Browser:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        try:
            self._attach()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _attach(self) -> None:
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.resize(self._size_wh)

    def resize(self, size_wh: tuple[int, int], scale: float = 1.0, mobile: bool = False) -> None:
        """Show the page on another screen.

        Args:
            size_wh: of the page, CSS pixels.
            scale: pixels of the screen to one CSS pixel.
            mobile: as a phone does: the page's `viewport` counts, and text may grow.
        """
        width, height = size_wh
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile},
        )

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def open(self, url: str) -> None:
        """Go to a page; PageError where it can't be reached."""
        if reason := self._ask("Page.navigate", url=url).get("errorText"):
            raise PageError(f"{url}: {reason}")

    def wait_for(self, expression: str, timeout_s: float = _ANSWER_S) -> None:
        """Wait until an expression of JavaScript is true on the page; PageError if it never is.

        While a page is loaded, it fails: what it asks for is not there yet.
        """
        deadline, found = time.monotonic() + timeout_s, "false"
        while time.monotonic() < deadline:
            try:
                if self.value(expression):
                    return
                found = "false"
            except RefusedError as error:
                found = str(error)
            time.sleep(_STEP_S)
        raise PageError(f"Expected {expression!r} within {timeout_s:g} s, found {found}.")

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript is on the page, as JSON; RefusedError where it fails."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RefusedError(answer["exceptionDetails"].get("text", "an exception"))
        return answer["result"].get("value")

    def picture(self) -> np.ndarray:
        """What the page shows now, `(H, W, 3)` uint8 RGB in the screen's pixels."""
        coded = base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])
        image = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR)
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events in between are dropped."""
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\0")
        except BrokenPipeError as error:
            raise PageError(f"{self._command[3]} has ended before {method}.") from error
        deadline = time.monotonic() + _ANSWER_S
        while True:
            answer = json.loads(self._message(method, deadline))
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise RefusedError(f"{method}: {answer['error'].get('message')}")
                return dict(answer["result"])

    def _message(self, method: str, deadline: float) -> bytes:
        assert self._process.stdout is not None
        while b"\0" not in self._rest:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise PageError(f"{self._command[3]} did not answer {method}.")
            part = os.read(self._process.stdout.fileno(), _BYTES)
            if not part:
                raise PageError(f"{self._command[3]} has ended at {method}.")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return message
