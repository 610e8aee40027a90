#!/usr/bin/env python3
"""Makes the pictures of the documentation again, each with the model's version in its caption.

    make pictures
    make pictures ARGS="--only overlay compare"

| part | pictures | needs beside `make setup` |
|---|---|---|
| demo | docs/images/hall_*.jpg, demo.jpg | |
| overlay | docs/media/overlay.jpg | |
| synthetic | docs/images/synthetic.jpg | OpenGL over EGL |
| compare | docs/media/compare.jpg | Chromium |
| web_view | docs/media/web_view.jpg | Chromium |

A part whose tool is missing is left out and named in the last lines. Exit status: 0 all were made,
1 some were not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from browser import Browser, PageError, ToolMissing, find_browser

from mtv_perception.cli.card import CLIP, clip_images
from mtv_perception.cli.main import main as mtv
from mtv_perception.data.sample import read_image
from mtv_perception.demo.hall import load_clip
from mtv_perception.demo.main import camera_settings, start_nodes
from mtv_perception.demo.main import main as demo
from mtv_perception.demo.pictures import with_caption
from mtv_perception.demo.stage import Stage
from mtv_perception.errors import MtvError
from mtv_perception.evaluation.card import contact_sheet, tile, write_jpeg
from mtv_perception.labels import WAREHOUSE
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.types import Detections, Result, Segmentation
from mtv_perception.visual.overlay import draw_overlay

MEDIA, IMAGES = SOURCE_ROOT / "docs" / "media", SOURCE_ROOT / "docs" / "images"

# Small enough for a repository that is cloned onto robots.
_MAX_BYTES = 140_000
_THRESHOLDS = (0.3, 0.5)
# As wide as the report's text; shrunk for the document.
_COMPARE_WH, _COMPARE_SCALE = (1140, 1500), 0.75
# A laptop's, which shows the whole page.
_WEB_VIEW_WH, _WEB_VIEW_SCALE = (1366, 768), 0.75
# People at two distances, and a forklift that comes into view.
_WEB_VIEW_FRAME = 166
# Slower than the clip, so that a busy machine shows about this frame, too.
_WEB_VIEW_HZ = 5.0
_SEED, _SPLIT, _COLUMNS, _ROWS = 2, "heldout", 4, 3
_SYNTHETIC_TILE_WH = (272, 204)


class PictureError(RuntimeError):
    """A command that a picture needs failed."""


@dataclass(frozen=True)
class Order:
    """The options of one run.

    Attributes:
        model: folder or name.
        browser: program, or empty for one on PATH.
        out: folder for intermediate files.
    """

    model: str
    browser: str
    out: Path

    @property
    def model_id(self) -> str:
        """Name, version and hash, as captions show it."""
        return load_artefact(find_model(self.model)).model_id

    def folder(self, name: str) -> Path:
        """An empty folder for one part."""
        folder = self.out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def make_demo(order: Order) -> None:
    """The pictures of `make demo`."""
    folder = order.folder("demo")
    status = demo(["--pictures", "--model", order.model, "--out", str(folder)])
    if status:
        raise PictureError(f"the demo missed something that it tells of, see {folder}/summary.json")


def make_overlay(order: Order) -> None:
    """Four frames of the clip with what the model finds."""
    artefact = load_artefact(find_model(order.model))
    perceive = Perceiver(artefact, PerceiverConfig())
    images = clip_images(CLIP, 4)
    sheet = contact_sheet(images, perceive, artefact.spec.labels, columns=2, tile_wh=(480, 360))
    text = f"{artefact.model_id}, four frames of {CLIP.name}"
    write_jpeg(MEDIA / "overlay.jpg", with_caption(sheet, text), _MAX_BYTES)


def make_synthetic(order: Order) -> None:
    """Rendered scenes, and the labels of the most telling ones below."""
    folder = order.folder("synthetic")
    count = _COLUMNS * _ROWS
    _render(folder, count)
    images = [read_image(path) for path in sorted((folder / "images").glob("*.jpg"))]
    masks = [
        np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        for path in sorted((folder / "masks").glob("*.png"))
    ]
    labelled = [draw_labels(images[k], masks[k]) for k in most_telling(masks, _COLUMNS)]
    sheet = tile([*images, *labelled], _COLUMNS, _SYNTHETIC_TILE_WH)
    text = f"rendered by mtv synth --seed {_SEED} --split {_SPLIT}; last row: its labels (no model)"
    write_jpeg(IMAGES / "synthetic.jpg", with_caption(sheet, text), _MAX_BYTES)


def _render(folder: Path, count: int) -> None:
    try:
        from mtv_perception.synthetic import generate
        from mtv_perception.synthetic.render.renderer import RendererUnavailable
    except ImportError as error:
        raise ToolMissing(f"the renderer needs pip install -e '.[synth]': {error}") from error
    try:
        generate(folder, count, _SEED, _SPLIT)
    except RendererUnavailable as error:
        raise ToolMissing(str(error)) from error


def most_telling(masks: Sequence[np.ndarray], count: int) -> list[int]:
    """The masks that show the most classes, and of those the most of their rarest class.

    Args:
        masks: class ids, `(H, W)` uint8.
        count: how many.

    Returns:
        Their indices, in the order of the masks.
    """

    def worth(mask: np.ndarray) -> tuple[int, int]:
        areas = np.bincount(mask.ravel(), minlength=len(WAREHOUSE))[1 : len(WAREHOUSE)]
        shown = areas[areas > 0]
        return len(shown), int(shown.min(initial=mask.size))

    ranked = sorted(range(len(masks)), key=lambda k: worth(masks[k]), reverse=True)
    return sorted(ranked[:count])


def draw_labels(image_rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """An image with its true classes in the palette, `(H, W, 3)` uint8 RGB."""
    nothing = Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
    )
    size_hw = (int(mask.shape[0]), int(mask.shape[1]))
    truth = Result(nothing, Segmentation(mask, np.zeros_like(mask)), size_hw)
    return draw_overlay(image_rgb, truth, WAREHOUSE)


def make_compare(order: Order) -> None:
    """The report of `mtv compare` on two runs of the clip that differ in their threshold."""
    program = find_browser(order.browser)
    folder = order.folder("compare")
    runs = [folder / "old", folder / "new"]
    for run, threshold in zip(runs, _THRESHOLDS, strict=True):
        options = ["--model", order.model, "--score-threshold", str(threshold)]
        _expect(mtv(["replay", str(CLIP), "--out", str(run), *options]), (0,), "mtv replay")
    page = folder / "report.html"
    options = ["--html", str(page), "--images", str(CLIP)]
    # 1: the runs differ by more than is tolerated, which is what the page shows.
    _expect(mtv(["compare", *map(str, runs), *options]), (0, 1), "mtv compare")
    with Browser(program, folder / "profile", _COMPARE_WH) as browser:
        browser.open(page.resolve().as_uri())
        browser.wait_for("document.readyState === 'complete' && document.images.length > 0")
        picture = shrink(browser.picture(), _COMPARE_SCALE)
    low, high = _THRESHOLDS
    text = f"{order.model_id}, score threshold {low} (A) and {high} (B)"
    write_jpeg(MEDIA / "compare.jpg", with_caption(picture, text), _MAX_BYTES)


def _expect(status: int, good: tuple[int, ...], command: str) -> None:
    if status not in good:
        raise PictureError(f"{command} ended with {status}, see above")


def make_web_view(order: Order) -> None:
    """The page of `web_view_node` while all nodes watch the rendered drive."""
    program = find_browser(order.browser)
    folder = order.folder("web_view")
    clip = load_clip()
    log, stamps = folder / "nodes.log", folder / "published.jsonl"
    with Stage(log) as stage:
        stage.start("web_view_node", {"port": 0})
        start_nodes(stage, clip, order.model, folder)
        stage.wait_for("http://")
        with Browser(program, folder / "profile", _WEB_VIEW_WH) as browser:
            browser.open(page_address(log.read_text(encoding="utf-8")))
            settings = {**camera_settings(clip, _WEB_VIEW_HZ), "stamps_file": str(stamps)}
            camera = stage.start("image_replay_node", settings)
            stage.follow(camera, stamps, _WEB_VIEW_FRAME, _WEB_VIEW_HZ)
            browser.wait_for("document.getElementById('counts').textContent.includes('person')")
            picture = shrink(browser.picture(), _WEB_VIEW_SCALE)
    text = f"{order.model_id}, web_view_node during the rendered drive {clip.video.name}"
    write_jpeg(MEDIA / "web_view.jpg", with_caption(picture, text), _MAX_BYTES)


def shrink(image_rgb: np.ndarray, scale: float) -> np.ndarray:
    """A picture of a page at a share of its size."""
    small = cv2.resize(image_rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small)


def page_address(log: str) -> str:
    """Where the web view said that its page is."""
    found = re.search(r"http://[\w.:]+/", log)
    if found is None:
        raise PageError("the web view did not say its address")
    return found[0]


@dataclass(frozen=True)
class Part:
    """Pictures that are made together.

    Attributes:
        make: makes them.
        pictures: their paths, relative to the repository.
    """

    make: Callable[[Order], None]
    pictures: tuple[str, ...]


_DEMO = ("hall_person", "hall_forklift", "hall_cut", "hall_again", "hall_timeline", "demo")
PARTS = {
    "demo": Part(make_demo, tuple(f"docs/images/{name}.jpg" for name in _DEMO)),
    "overlay": Part(make_overlay, ("docs/media/overlay.jpg",)),
    "synthetic": Part(make_synthetic, ("docs/images/synthetic.jpg",)),
    "compare": Part(make_compare, ("docs/media/compare.jpg",)),
    "web_view": Part(make_web_view, ("docs/media/web_view.jpg",)),
}


def make(parts: Sequence[str], order: Order) -> dict[str, str]:
    """Make parts one after the other.

    A part that fails does not stop the others.

    Returns:
        Those that were not made, and why.
    """
    failed: dict[str, str] = {}
    for name in parts:
        print(f"pictures: {name}", flush=True)
        try:
            PARTS[name].make(order)
        except (MtvError, RuntimeError, OSError, ValueError) as error:
            failed[name] = str(error)
    return failed


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Makes the pictures of the documentation again.")
    parser.add_argument("--model", default="warehouse", help="model folder or name")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--browser", default="", help="a Chromium; by default one on PATH")
    parser.add_argument("--out", type=Path, default=Path("build/pictures"))
    args = parser.parse_args(argv)
    parts = args.only or list(PARTS)
    failed = make(parts, Order(args.model, args.browser, args.out))
    made = [name for name in parts if name not in failed]
    print(f"pictures: made {', '.join(made) or 'none'}")
    for name, reason in failed.items():
        print(f"pictures: {name} NOT made: {reason}")
    return int(bool(failed))


if __name__ == "__main__":
    os.chdir(SOURCE_ROOT)
    sys.exit(main())
