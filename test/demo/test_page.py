"""The demo's page on a phone, a laptop and a 4K screen: a headless Chromium lays it out."""

import shutil
import sys

import pytest

from mtv_perception.demo.page import write_page
from mtv_perception.demo.photographs import CREDIT, FILE
from mtv_perception.resources import SOURCE_ROOT

sys.path.insert(0, str(SOURCE_ROOT / "tools" / "pictures"))
import browser

IMAGES = SOURCE_ROOT / "docs" / "images"
PICTURES = ("person", "forklift", "cut", "again", "timeline")
ZONES = {"stop": 3, "slow": 4}
SUMMARY = {
    "hall": {
        "model": "warehouse-v5-int8-b6922007",
        "images": 200,
        "results": 195,
        "latency_ms": {"p50": 18.8, "p95": 67.4, "max": 156.3},
        "entries": ZONES,
        "entries_answered": 5,
        "answered_ms": {"p50": 0.0, "p95": 149.2, "max": 149.2},
        "unknown_share": {"stop": 0.12, "slow": 0.06},
        "free_while_inside": dict.fromkeys(ZONES, 0),
        "distance_error_cm": {"p50": 0.0, "p95": 19.3, "max": 99.4},
        "measured_objects": 203,
        "unknown_after_ms": 467.7,
        "known_again_after_ms": 305.8,
        "reason": "no result younger than 0.5 s: the last result was late: 0.52 s old",
    },
    "people": {"frames_processed": 118, "frames_published": 120, "detections": 396},
    "photographs": 6,
}
SCREENS = {
    "phone": ((390, 844), 3.0, True),
    "small phone": ((320, 568), 2.0, True),
    "phone on its side": ((844, 390), 3.0, True),
    "laptop": ((1366, 768), 1.0, False),
    "4K": ((3840, 2160), 1.0, False),
}
LAYOUT = """(() => {
  const all = [...document.body.querySelectorAll("*")];
  const words = all.filter((n) => [...n.childNodes].some((c) => c.nodeType === 3 && c.data.trim()));
  const at = (n) => n.getBoundingClientRect();
  return {
    page: document.documentElement.scrollWidth,
    outside: all.filter((n) => at(n).left < -.5 || at(n).right > innerWidth + .5).map((n) => n.tagName),
    text: words.map((n) => parseFloat(getComputedStyle(n).fontSize)),
    line: Math.max(...[...document.querySelectorAll("p")].map((n) => at(n).width)),
    shown: [...document.images].map((n) => [n.complete && n.naturalWidth > 0, at(n).width]),
    column: at(document.querySelector("video")).width,
    figures: new Set([...document.querySelectorAll(".figures li")].map((n) => at(n).top)).size,
  };
})()"""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    try:
        program = browser.find_browser()
    except browser.ToolMissing as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("demo")
    for name in PICTURES:
        shutil.copy(IMAGES / f"hall_{name}.jpg", folder / f"{name}.jpg")
    shutil.copy(IMAGES / "demo.jpg", folder / FILE)
    page = write_page(folder, SUMMARY)
    with browser.Browser(program, folder / "profile", (800, 600)) as shown:
        shown.open(page.as_uri())
        shown.wait_for("document.readyState === 'complete' && document.images.length === 6")
        yield shown


@pytest.mark.parametrize("name", SCREENS)
def test_nothing_is_cut_and_text_is_readable(opened, name):
    size_wh, scale, mobile = SCREENS[name]
    opened.resize(size_wh, scale, mobile)
    opened.wait_for(f"innerWidth === {size_wh[0]}")
    layout = opened.value(LAYOUT)

    assert layout["page"] <= size_wh[0] and layout["outside"] == []
    assert min(layout["text"]) >= max(12.0, min(size_wh) / 80)
    assert all(there for there, _ in layout["shown"])
    # At most about 90 characters of half their height.
    assert layout["line"] <= 46 * max(layout["text"])
    # The column fills a small screen and half of a large one; a picture is never a stamp.
    assert layout["column"] >= (0.85 if mobile else 0.5) * size_wh[0]
    assert min(width for _, width in layout["shown"]) >= 0.45 * layout["column"]


def test_figures_stand_in_one_row_where_there_is_room(opened):
    opened.resize((1366, 768))
    opened.wait_for("innerWidth === 1366")

    assert opened.value(LAYOUT)["figures"] == 1


@pytest.mark.parametrize("count", [0, 6])
def test_the_page_names_their_authors_and_licence(tmp_path, count):
    text = write_page(tmp_path, {**SUMMARY, "photographs": count}).read_text()

    assert (CREDIT in text) == (FILE in text) == bool(count)
    assert "CC BY 4.0" in CREDIT
