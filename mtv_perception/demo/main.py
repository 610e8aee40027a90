"""The demo's command: runs both parts, draws them, and writes the page."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.bags.reader import BagSource
from mtv_perception.demo import people
from mtv_perception.demo.figures import HallRun, read_run, state_at, summarise
from mtv_perception.demo.hall import (
    VIDEO,
    ZONES,
    HallClip,
    HallObject,
    load_clip,
    write_settings,
)
from mtv_perception.demo.page import write_page
from mtv_perception.demo.photographs import draw_photographs, folder_here
from mtv_perception.demo.pictures import TopView, banner, draw_zones, timeline, with_caption
from mtv_perception.demo.stage import Stage, published
from mtv_perception.geometry.polygons import points_inside
from mtv_perception.media.decode import read_image
from mtv_perception.media.write import write_image
from mtv_perception.replay.inputs import read_frames
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.visual.overlay import draw_overlay
from mtv_perception.visual.video import VideoWriter

_SILENCE_S = 3.0
_AGAIN_FRAMES = 40
_PICTURES = SOURCE_ROOT / "docs" / "images"
_PICTURE_QUALITY = 85
_CAPTION = "{model}, rendered hall, {part}"
_PARTS = {"timeline": "zones over time", "cut": "camera cut off", "again": "camera is back"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; exit status 1 when something a user would miss did not happen."""
    parser = argparse.ArgumentParser(description="Runs the demo and writes a page about it.")
    parser.add_argument("--model", default="warehouse", help="model folder or name")
    parser.add_argument("--rate", type=float, default=0.0, help="images a second of the hall")
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    parser.add_argument("--live", action="store_true", help="keep a web view open for the drive")
    parser.add_argument("--only-hall", action="store_true", help="leave the real clip out")
    parser.add_argument(
        "--pictures", action="store_true", help="copy the pictures into docs/images, with captions"
    )
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    clip = load_clip(VIDEO)
    run = run_hall(clip, args.model, args.rate or clip.rate, args.out, args.live)
    summary: dict[str, Any] = {"hall": summarise(run, clip)}
    moments = draw_hall(run, clip, args.out)
    if not args.only_hall:
        folder = args.out / "people"
        summary["people"] = people.run(folder, args.model)
        photographs = folder_here()
        summary["photographs"] = (
            draw_photographs(photographs, args.model, args.out) if photographs else 0
        )
    (args.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    page = write_page(args.out, summary)
    if args.pictures:
        copy_pictures(args.out, moments, run.model)
    print(f"demo: {json.dumps(summary['hall'])}\ndemo: open {page}")
    return 0 if is_good(summary) else 1


def is_good(summary: dict[str, Any]) -> bool:
    """Whether everything that the page tells happened."""
    hall, clip = summary["hall"], summary.get("people", {"good": True})
    finite = all(np.isfinite(hall[key]) for key in ("unknown_after_ms", "known_again_after_ms"))
    safe = not any(hall["free_while_inside"].values())
    return bool(finite and safe and hall["results"] and clip["good"])


def run_hall(clip: HallClip, model: str, rate: float, out: Path, live: bool = False) -> HallRun:
    """The drive through all nodes; then the camera is cut off, and comes back."""
    bag, log = out / "bag", out / "states.jsonl"
    shutil.rmtree(bag, ignore_errors=True)
    first, again = out / "published.jsonl", out / "published_again.jsonl"
    for file in (first, again, log):
        file.unlink(missing_ok=True)
    camera = camera_settings(clip, rate)
    print(f"demo: {len(clip.frames)} images of the hall at {rate:g} Hz through model '{model}'")
    with Stage(out / "nodes.log") as stage:
        stage.start("recorder_node", {"bag": str(bag)})
        stage.start("state_log_node", {"file": str(log)})
        if live:
            stage.start("web_view_node", {})
            print("demo: the drive is at http://127.0.0.1:8080/")
        start_nodes(stage, clip, model, out)
        playing = stage.start("image_replay_node", {**camera, "stamps_file": str(first)})
        stage.follow(playing, first, len(clip.frames), rate)
        stage.end(playing)
        print("demo: the camera is cut off")
        time.sleep(_SILENCE_S)
        back = stage.start("image_replay_node", {**camera, "stamps_file": str(again)})
        stage.follow(back, again, _AGAIN_FRAMES, rate)
        stage.end(back)
    lines = [json.loads(text) for text in log.read_text(encoding="utf-8").splitlines()]
    return read_run(lines, [s for s, _ in published(first)], [s for s, _ in published(again)])


def camera_settings(clip: HallClip, rate: float) -> dict[str, Any]:
    """Parameters of the node that plays the clip, at so many images a second."""
    return {"source": str(clip.video), "rate": rate, "frame_id": "camera_optical"}


def start_nodes(stage: Stage, clip: HallClip, model: str, folder: Path) -> None:
    """Start perception, zones and ranging for the clip, and wait until the model is ready.

    Args:
        stage: what they run on.
        clip: its calibration and mounting.
        model: folder or name.
        folder: for the zones file and the calibration.
    """
    zones, calibration = write_settings(clip, folder)
    mounting = clip.camera.mounting
    stage.start("zones_node", {"zones_file": str(zones)})
    stage.start(
        "ranging_node",
        {
            "calibration": str(calibration),
            "camera_position": list(mounting.position_xyz),
            "camera_rpy_deg": list(mounting.rpy_deg),
        },
    )
    stage.start(
        "perception_node",
        {"model": model, "publish_confidence": False, "track": True, "class_id_as": "name"},
    )
    stage.wait_for(" ready")


def draw_hall(run: HallRun, clip: HallClip, out: Path) -> dict[str, np.ndarray]:
    """`hall.mp4`, pictures of the moments that matter, and the timeline.

    Returns:
        The pictures by name, `(H, W, 3)` uint8 RGB.
    """
    moments: dict[str, np.ndarray] = {}
    worth = _moments(run, clip)
    with BagSource(out / "bag") as bag:
        recording = people.Recording(bag)
    with VideoWriter(out / "hall.mp4", clip.rate) as video:
        last: np.ndarray | None = None
        for index, last in enumerate(_frames(run, clip, recording, run.stamps)):
            video.write(last)
            for name in [name for name, at in worth.items() if at == index]:
                moments[name] = last
        if last is not None:
            for picture in _silence(run, clip, last):
                video.write(picture)
                moments["cut"] = picture
        for picture in _frames(run, clip, recording, run.again):
            video.write(picture)
            moments["again"] = picture
    moments["timeline"] = timeline(run, clip)
    for name, picture in moments.items():
        write_image(out / f"{name}.jpg", picture)
    return moments


def _frames(
    run: HallRun, clip: HallClip, recording: people.Recording, stamps: Sequence[int]
) -> Iterator[np.ndarray]:
    """Each image of the drive as it was seen, beside the view from above.

    Args:
        run: what was said.
        clip: what was shown, from its beginning.
        recording: results of the run.
        stamps: of the images.
    """
    above: TopView | None = None
    for frame, stamp, truth in zip(
        read_frames(clip.video, clip.rate), stamps, clip.frames, strict=False
    ):
        picture = frame.image_rgb
        above = above or TopView(picture.shape[0])
        result = recording.result(stamp)
        status = recording.status.get(stamp)
        known_ns = stamp + round(1e9 / clip.rate) if status is None else _told(run, stamp)
        states = {zone: state_at(run, zone, known_ns) for zone in ZONES}
        if result is not None:
            picture = draw_overlay(picture, result, recording.labels)
        picture = draw_zones(picture, clip.camera, states)
        side = above.draw(states, run.objects.get(stamp, []), truth)
        note = "not processed" if status is None else f"{status.stamp_to_publish_ms:.0f} ms"
        whole = np.hstack([picture, side])
        yield np.vstack([whole, banner(whole.shape[1], states, note)])


def _told(run: HallRun, stamp: int) -> int:
    """When the zones' answer to an image arrived."""
    return next((c.at_ns for c in run.changes if c.stamp_ns == stamp), stamp)


def _silence(run: HallRun, clip: HallClip, last: np.ndarray) -> Iterator[np.ndarray]:
    """The seconds without a camera: the last picture, grey, and what the zones say meanwhile."""
    grey = np.repeat(cv2.cvtColor(last[:-36], cv2.COLOR_RGB2GRAY)[..., None] // 2, 3, axis=2)
    cv2.putText(
        grey,
        "camera cut off",
        (40, 80),
        cv2.FONT_HERSHEY_SIMPLEX,
        1.4,
        (255, 255, 255),
        2,
        cv2.LINE_AA,
    )
    for index in range(round(_SILENCE_S * clip.rate)):
        at_ns = run.stamps[-1] + round((index + 1) * 1e9 / clip.rate)
        states = {zone: state_at(run, zone, at_ns) for zone in ZONES}
        yield np.vstack([grey, banner(grey.shape[1], states, "no image")])


def _moments(run: HallRun, clip: HallClip) -> dict[str, int]:
    """The frames that the page shows.

    A person nearest ahead, a forklift in the slow zone, a free aisle.
    """
    found: dict[str, int] = {}
    for name, words in (("person", "person"), ("forklift", "forklift")):
        ranks = {
            k: min(
                (
                    np.hypot(o.xy[0] - 2.6, o.xy[1])
                    for o in objects
                    if o.name == words and o.counts and not _rides(o, objects)
                ),
                default=np.inf,
            )
            for k, objects in enumerate(clip.frames[: len(run.stamps)])
            if run.stamps[k] in run.objects
        }
        if ranks and min(ranks.values()) < np.inf:
            found[name] = min(ranks, key=lambda k: ranks[k])
    return found


def _rides(item: HallObject, objects: Sequence[HallObject]) -> bool:
    """Whether it is a driver: within a forklift's outline."""
    machines = [o for o in objects if o.name == "forklift" and o is not item]
    return any(bool(points_inside(o.corners, np.array([item.xy]))[0]) for o in machines)


def copy_pictures(out: Path, moments: dict[str, np.ndarray], model: str) -> None:
    """Put the pictures into the documentation, each with the model's version in its caption."""
    for name, picture in moments.items():
        text = _CAPTION.format(model=model, part=_PARTS.get(name, name))
        write_image(_PICTURES / f"hall_{name}.jpg", with_caption(picture, text), _PICTURE_QUALITY)
    sheet = out / "people" / "contact_sheet.png"
    if sheet.is_file():
        image = read_image(sheet)
        caption = f"{model}, a real clip"
        write_image(_PICTURES / "demo.jpg", with_caption(image, caption), _PICTURE_QUALITY)
