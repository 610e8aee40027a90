"""The page of the web view on real screens: a headless Chromium lays it out and takes its picture.

The pictures lie in pytest's temporary folder, `screens*/`.
"""

import sys
import threading
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="mtv_perception.ros needs a ROS 2")

from mtv_perception.replay.inputs import read_frames
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros.tools.view_state import ViewState
from mtv_perception.ros.tools.web_server import WebServer

sys.path.insert(0, str(SOURCE_ROOT / "tools" / "pictures"))
import browser

# Smaller text is hard to read on a phone, where a CSS pixel is about 1/160 inch.
LEAST_TEXT_PX = 12.0
# Of the screen's shorter side: a line in eighty.
LEAST_TEXT_SHARE = 1 / 80
PARTS = ("header", "#picture", "#zones", "#counts", "#above", "#chart", "#counters")


@dataclass(frozen=True)
class Screen:
    """A window: CSS pixels, its pixels to one of them, whether it is a phone's or a tablet's."""

    size_wh: tuple[int, int]
    scale: float = 1.0
    mobile: bool = False
    whole: bool = True
    """Whether all parts have room at once."""


PHONE = Screen((390, 844), 3.0, True, False)
LAPTOP = Screen((1366, 768))
UHD = Screen((3840, 2160))
SCREENS = {
    "phone": PHONE,
    "small phone": Screen((320, 568), 2.0, True, False),
    "phone on its side": Screen((844, 390), 3.0, True, False),
    "small phone on its side": Screen((667, 375), 2.0, True, False),
    "tablet": Screen((820, 1180), 2.0, True, False),
    "tablet on its side": Screen((1180, 820), 2.0, True),
    "laptop": LAPTOP,
    "desktop": Screen((1920, 1080)),
    "upright": Screen((1080, 1920), 1.0, False, False),
    "wide": Screen((3440, 1440)),
    "4K": UHD,
    "4K at 200 %": Screen((1920, 1080), 2.0),
}
LONG = "no result younger than 0.5 s: the last result was late: 0.77 s old"
ZONES = {
    "two": [("stop", "occupied", ""), ("slow", "unknown", LONG)],
    "many": [(f"aisle {k}", ("free", "occupied")[k % 2], "") for k in range(4)],
}


def fill(state, picture, zones):
    """What the nodes tell the page during the rendered drive."""
    state.show(picture)
    state.report(
        "warehouse-v5-int8-b6922007",
        {
            "received": 1_234_567,
            "processed": 1_234_511,
            "dropped": 56,
            "stale": 0,
            "failed": 0,
            "detections": 12,
        },
        40.0,
        11.0,
    )
    state.tell("counts", {"rail": 6, "person": 4, "forklift": 1})
    keys = ("name", "state", "reason")
    state.tell("zones", [dict(zip(keys, zone, strict=True)) for zone in zones])
    corners = [[1.7, -0.8], [5.0, -1.7], [5.0, 1.7], [1.7, 0.8]]
    state.tell("outlines", [{"corners": corners, "colour": [213, 94, 0]}])
    places = [(12, 4.9, 0.9), (13, 6.8, -3.9), (14, 9.4, 1.0), (15, 3.2, 4.2)]
    state.tell("objects", [{"id": str(k), "class": "person", "x": x, "y": y} for k, x, y in places])
    cells = "".join("ufro"[(k // 7) % 4] for k in range(40 * 60))
    grid = {"cells": cells, "width": 60, "resolution": 0.15, "x": 1.7, "y": -4.5}
    state.tell("floor", grid)


class Show:
    """The page with changing content, and a browser in front of it."""

    def __init__(self, folder):
        self.state = ViewState()
        self.zones = ZONES["two"]
        self.hall = next(iter(read_frames(SOURCE_ROOT / "docs/media/hall.mp4"))).image_rgb
        self.picture = self.hall
        self._over = threading.Event()
        self._server = WebServer(self.state, port=0)
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()
        self.page = browser.Browser(browser.find_browser(), folder / "profile", LAPTOP.size_wh)
        self.page.__enter__()
        self.page.open(f"http://127.0.0.1:{self._server.port}/")

    def _feed(self):
        while not self._over.wait(0.1):
            fill(self.state, self.picture, self.zones)

    def close(self):
        self.page.__exit__()
        self._over.set()
        self._feeder.join()
        self._server.close()

    def on(self, screen, zones="two", picture_wh=(640, 480)):
        """Show this, and wait until the page has been drawn for it."""
        self.zones = ZONES[zones]
        self.picture = cv2.resize(self.hall, picture_wh)
        self.page.resize(screen.size_wh, screen.scale, screen.mobile)
        names = [f"{name}: {state}" for name, state, _ in self.zones]
        ready = (
            f"innerWidth === {screen.size_wh[0]}",
            f"get('picture').naturalWidth === {picture_wh[0]}",
            f"get('picture').naturalHeight === {picture_wh[1]}",
            "document.documentElement.style.getPropertyValue('--ratio') === "
            f"String({picture_wh[0]} / {picture_wh[1]})",
            f"[...get('zones').children].map(z => z.firstChild.data).join() === '{','.join(names)}'",
            "get('counters').children.length === 9",
            "['above', 'chart'].every(id => get(id).width === "
            "Math.round(get(id).clientWidth * devicePixelRatio))",
            "['above', 'chart'].every(id => get(id).height === "
            "Math.round(get(id).clientHeight * devicePixelRatio))",
        )
        self.page.wait_for(" && ".join(ready))
        return self.layout()

    def layout(self):
        """Places of the parts as `x0, y0, x1, y1`, and what else the tests ask for."""
        return self.page.value(f"({LAYOUT})({list(PARTS)})")


# An element whose text has no room scrolls within itself.
LAYOUT = """(parts) => {
  const at = (node) => { const b = node.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; };
  const all = [...document.body.querySelectorAll("*")].filter((n) => n.tagName !== "SCRIPT");
  const words = all.filter((n) => [...n.childNodes].some((c) => c.nodeType === 3 && c.data.trim()));
  const panel = document.querySelector("section");
  return {
    parts: Object.fromEntries(parts.map((p) => [p, at(document.querySelector(p))])),
    edges: all.map((n) => [n.id || n.tagName, at(n)[0], at(n)[2]]),
    page: [document.documentElement.scrollWidth, document.documentElement.scrollHeight],
    panel: [panel.scrollWidth - panel.clientWidth, panel.scrollHeight - panel.clientHeight],
    cut: words.filter((n) => n.scrollWidth > n.clientWidth + 1 && getComputedStyle(n).display !== "inline")
      .map((n) => n.textContent),
    text: words.map((n) => parseFloat(getComputedStyle(n).fontSize)),
    gaps: [...get("counters").children].map((n) => at(n.lastChild)[0] - at(n.firstChild)[2]),
    drawn: ["above", "chart"].map((id) =>
      parseFloat(get(id).getContext("2d").font) / devicePixelRatio),
  };
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("screens")


@pytest.fixture(scope="module")
def show(folder):
    try:
        browser.find_browser()
    except browser.ToolMissing as error:
        pytest.skip(str(error))
    shown = Show(folder)
    yield shown
    shown.close()


@pytest.fixture(params=SCREENS)
def screen(request):
    return SCREENS[request.param]


def size(rectangle):
    x0, y0, x1, y1 = rectangle
    return x1 - x0, y1 - y0


def overlap(a, b):
    """The smaller side of what two rectangles share; not positive where they share nothing."""
    return min(min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1]))


@pytest.mark.parametrize("zones", ZONES)
def test_nothing_is_cut_or_covered_and_zones_are_seen_without_scrolling(show, screen, zones):
    width, height = screen.size_wh
    layout = show.on(screen, zones)

    assert layout["page"][0] <= width and layout["panel"][0] <= 0
    outside = [e for e in layout["edges"] if e[1] < -0.5 or e[2] > width + 0.5]
    assert outside == [] and layout["cut"] == []
    assert min(layout["gaps"]) >= 4
    parts = layout["parts"]
    for index, one in enumerate(PARTS):
        assert min(size(parts[one])) > 10, one
        for other in PARTS[index + 1 :]:
            assert overlap(parts[one], parts[other]) <= 0.5, (one, other)
    assert parts["#picture"][3] <= height and parts["#zones"][3] <= height
    if screen.whole:
        assert layout["page"][1] <= height and layout["panel"][1] <= 1


@pytest.mark.parametrize("picture_wh", [(1280, 720), (480, 640)])
def test_the_picture_has_the_shape_of_the_camera_and_the_room_there_is(show, screen, picture_wh):
    width, height = screen.size_wh
    parts = show.on(screen, picture_wh=picture_wh)["parts"]
    wide, high = size(parts["#picture"])

    assert wide / high == pytest.approx(picture_wh[0] / picture_wh[1], rel=0.01)
    # Across the page, down to its end, or up to the panel beside it, which takes less than half.
    em = show.page.value("parseFloat(getComputedStyle(document.body).fontSize)")
    right, below = width - parts["#picture"][2], height - parts["#picture"][3]
    assert right <= 1.1 * em or below <= 1.1 * em or right <= min(22.1 * em, 0.48 * width)


def test_text_is_readable(show, screen):
    layout = show.on(screen)
    least = max(LEAST_TEXT_PX, LEAST_TEXT_SHARE * min(screen.size_wh))

    assert min(layout["text"]) >= least
    assert min(layout["drawn"]) >= least


def test_a_wall_shows_more_than_a_laptop(show):
    laptop, wall = (show.on(screen)["parts"] for screen in (LAPTOP, UHD))

    for part in ("#picture", "#above", "#zones"):
        assert size(wall[part])[0] > 2.5 * size(laptop[part])[0], part
    wide, high = size(wall["#picture"])
    assert wide * high > 0.55 * UHD.size_wh[0] * UHD.size_wh[1]


def test_the_screen_shows_picture_zones_and_map(show, screen, folder, request):
    layout = show.on(screen)
    pixels = show.page.picture()
    name = request.node.callspec.id.replace(" ", "_").replace("%", "")
    cv2.imwrite(str(folder / f"{name}.png"), pixels[..., ::-1])

    width, height = screen.size_wh
    assert pixels.shape == (height * screen.scale, width * screen.scale, 3)

    def part(selector):
        """Its pixels, as far as the window shows them."""
        x0, y0, x1, y1 = (round(v * screen.scale) for v in layout["parts"][selector])
        return pixels[y0 : min(y1, len(pixels)), x0:x1].astype(int)

    hall = cv2.resize(show.picture, part("#picture").shape[1::-1]).astype(int)
    assert np.median(np.abs(part("#picture") - hall)) < 12
    for colour in ((213, 94, 0), (240, 228, 66)):
        share = (np.abs(part("#zones") - colour).max(-1) < 12).mean()
        assert share > 0.2, colour
    if layout["parts"]["#above"][3] <= height:
        for colour in ((23, 58, 48), (138, 109, 26), (160, 60, 16), (213, 94, 0)):
            assert (np.abs(part("#above") - colour).max(-1) < 12).sum() > 20, colour
