"""The demo's second part: a real clip through real nodes over real DDS, recorded.

Summed up and drawn.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.bags.reader import BagSource, message_stamp_ns
from mtv_perception.labels import LabelSet, labels_of
from mtv_perception.media.write import write_image
from mtv_perception.replay.inputs import read_frames
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.ros.process.processes import start_node, stop_node
from mtv_perception.types import Detections, Result, Segmentation, Timing
from mtv_perception.visual.overlay import draw_overlay
from mtv_perception.visual.video import VideoWriter

CLIP = SOURCE_ROOT / "docs" / "media" / "people.mp4"
_SHEET_FRAMES = 9


def run(
    out: Path, model: str = "warehouse", clip: Path = CLIP, rate: float = 10.0
) -> dict[str, Any]:
    """Run the clip through the nodes and draw it.

    Returns:
        The figures; `good` where nothing that a user would miss is missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "bag", ignore_errors=True)
    run_nodes(clip, model, rate, out)
    with BagSource(out / "bag") as bag:
        recording = Recording(bag)
    summary = summarise(recording, _published(out))
    draw(recording, clip, rate, out)
    _report(summary, out)
    enough = summary["frames_processed"] >= 0.95 * summary["frames_published"]
    return {**summary, "good": bool(summary["headers_match"] and enough)}


def run_nodes(clip: Path, model: str, rate: float, out: Path) -> None:
    """Perception, recorder and camera as three processes, until the clip is over."""
    domain = {"ROS_DOMAIN_ID": os.environ.get("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))}
    frames = sum(1 for _ in read_frames(clip, rate))
    print(f"demo: {frames} frames of {clip.name} at {rate:g} Hz through model '{model}'")
    running: list[subprocess.Popen[str]] = []
    (out / "published.jsonl").unlink(missing_ok=True)
    with (out / "nodes.log").open("w", encoding="utf-8") as log:

        def start(name: str, parameters: dict[str, Any]) -> subprocess.Popen[str]:
            running.append(start_node(name, parameters, environment=domain, output=log))
            return running[-1]

        try:
            start("recorder_node", {"bag": str(out / "bag")})
            perception = start("perception_node", {"model": model, "publish_confidence": False})
            _wait_for(out / "nodes.log", " ready", perception, 60.0)
            camera = start(
                "image_replay_node",
                {"source": str(clip), "rate": rate, "stamps_file": str(out / "published.jsonl")},
            )
            _follow(camera, running, frames, rate, out)
        finally:
            for process in reversed(running):
                stop_node(process)


def _follow(
    camera: subprocess.Popen[str],
    running: list[subprocess.Popen[str]],
    frames: int,
    rate: float,
    out: Path,
) -> None:
    """Show the progress until the camera has published everything."""
    begun = time.monotonic()
    while camera.poll() is None:
        print(f"\rdemo: {len(_published(out)):4d} of {frames} frames published", end="", flush=True)
        time.sleep(0.5)
        ended = any(process.poll() is not None for process in running if process is not camera)
        if ended or time.monotonic() - begun > 60 + 3 * frames / rate:
            raise RuntimeError(f"The nodes ended early or hang; see {out / 'nodes.log'}.")
    print(f"\rdemo: {len(_published(out)):4d} of {frames} frames published")


def _wait_for(log: Path, text: str, process: Any, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while text not in log.read_text(encoding="utf-8"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(
                f"The perception node did not start:\n{log.read_text(encoding='utf-8')}"
            )
        time.sleep(0.1)


def _published(out: Path) -> list[tuple[int, str]]:
    """Stamp and frame id of every published image."""
    path = out / "published.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [tuple(json.loads(line)) for line in lines if line.endswith("]")]


class Recording:
    """The bag of one run in memory (a short one), by stamp.

    Args:
        bag: open.
    """

    def __init__(self, bag: BagSource) -> None:
        self.detections: dict[int, Any] = {}
        self.masks: dict[int, Any] = {}
        self.status: dict[int, Any] = {}
        self.labels = LabelSet()
        keep = {
            "/detections": self.detections,
            "/segmentation/mask": self.masks,
            "/perception/status": self.status,
        }
        for raw in bag.messages(bag.named({*keep, "/label_info"})):
            message = bag.deserialize(raw)
            if raw.topic in keep:
                keep[raw.topic][message_stamp_ns(message)] = message
            else:
                self.labels = labels_of([item.class_name for item in message.class_map])

    def result(self, stamp: int) -> Result | None:
        """The result of the image with a stamp, or None where it was not processed."""
        if stamp not in self.detections or stamp not in self.masks:
            return None
        found, mask = self.detections[stamp].detections, self.masks[stamp]
        boxes = [
            [d.bbox.center.position.x, d.bbox.center.position.y, d.bbox.size_x, d.bbox.size_y]
            for d in found
        ]
        centre = np.asarray(boxes, np.float32).reshape(-1, 4)
        corners = np.concatenate(
            [centre[:, :2] - centre[:, 2:] / 2, centre[:, :2] + centre[:, 2:] / 2], 1
        )
        scores = np.array([d.results[0].hypothesis.score for d in found], np.float32)
        ids = np.array([class_of(d, self.labels) for d in found], np.int32)
        pixels = np.asarray(mask.data, np.uint8).reshape(mask.height, mask.width)
        size = (int(mask.height), int(mask.width))
        return Result(
            Detections(corners, scores, ids),
            Segmentation(pixels, np.zeros_like(pixels)),
            size,
            Timing(),
        )


def class_of(detection: Any, labels: LabelSet) -> int:
    """The class id of a detection, whose hypothesis holds a name or a number."""
    text = detection.results[0].hypothesis.class_id
    is_number = text.isdecimal() and text not in labels.names
    return int(text) if is_number else labels.id_of(text)


def summarise(recording: Recording, published: list[tuple[int, str]]) -> dict[str, Any]:
    """The figures of a run."""
    by_class: Counter[str] = Counter()
    frames_with: Counter[str] = Counter()
    for message in recording.detections.values():
        names = [recording.labels.names[class_of(d, recording.labels)] for d in message.detections]
        by_class.update(names)
        frames_with.update(set(names))
    latency = [status.stamp_to_publish_ms for status in recording.status.values()] or [float("nan")]
    received = max((int(status.received) for status in recording.status.values()), default=0)
    return {
        "frames_published": len(published),
        "frames_received": received,
        "frames_processed": len(recording.detections),
        "detections": sum(by_class.values()),
        "by_class": dict(by_class),
        "frames_with": dict(frames_with),
        "latency_ms": {f"p{q}": round(float(np.percentile(latency, q)), 2) for q in (50, 95, 99)},
        "headers_match": _headers_match(recording, published),
    }


def _headers_match(recording: Recording, published: list[tuple[int, str]]) -> bool:
    """Whether every array, every detection and every mask carries the header of a published image."""
    sent = dict(published)
    headers = [
        message.header for message in (*recording.detections.values(), *recording.masks.values())
    ]
    headers += [
        item.header for message in recording.detections.values() for item in message.detections
    ]
    stamps = [
        (header.stamp.sec * 1_000_000_000 + header.stamp.nanosec, header.frame_id)
        for header in headers
    ]
    return bool(stamps) and all(sent.get(stamp) == frame_id for stamp, frame_id in stamps)


def draw(recording: Recording, clip: Path, rate: float, out: Path) -> None:
    """`overlay.mp4` and a contact sheet, from the recorded messages over the clip's images."""
    tiles: list[np.ndarray] = []
    published = _published(out)
    every = max(1, len(published) // _SHEET_FRAMES)
    frames = zip(read_frames(clip, rate), published, strict=False)
    with VideoWriter(out / "overlay.mp4", rate) as video:
        for index, (frame, (stamp, _)) in enumerate(frames):
            result, status = recording.result(stamp), recording.status.get(stamp)
            if result is None:
                continue
            footer = f"frame {index}  {status.stamp_to_publish_ms:.1f} ms" if status else ""
            picture = draw_overlay(frame.image_rgb, result, recording.labels, footer)
            video.write(picture)
            if index % every == 0 and len(tiles) < _SHEET_FRAMES:
                tiles.append(cv2.resize(picture, (426, 320), interpolation=cv2.INTER_AREA))
    if not tiles:
        return
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 3)
    rows = [np.hstack(tiles[i : i + 3]) for i in range(0, len(tiles), 3)]
    write_image(out / "contact_sheet.png", np.vstack(rows))


def _report(summary: dict[str, Any], out: Path) -> None:
    print(
        f"demo: {summary['frames_processed']} of {summary['frames_published']} frames processed, "
        f"{summary['detections']} detections {summary['by_class']}, "
        f"stamp to publish p50 {summary['latency_ms']['p50']} ms, headers match: {summary['headers_match']}"
    )
    for name in ("overlay.mp4", "contact_sheet.png", "bag", "summary.json", "nodes.log"):
        print(f"  {out / name}")
