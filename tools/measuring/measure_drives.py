"""Measures distances and tracks on bags of `mtv synth --drive`, against their truth.

    mtv synth --drive --rate 10 --depth stereo --seed 101 --split heldout --out build/drives/101
    python tools/measuring/measure_drives.py build/drives/* --json build/drives.json

Distances: the middle of the surface that the camera sees, on the floor plane. Zones: those of the
demo. Tracks: HOTA, MOTA and IDF1 of our tracker and of a plain IoU matcher, see tracks.py.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader
from tracks import TrackedImage, compare_trackers

from mtv_perception.config import from_mapping
from mtv_perception.demo.hall import ZONE_SETTINGS, ZONES, HallObject
from mtv_perception.geometry.boxes import pairwise_iou
from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting
from mtv_perception.geometry.frames import Rigid
from mtv_perception.geometry.polygons import shared_points
from mtv_perception.media.encodings import decode_raw
from mtv_perception.messages.typestore import typestore
from mtv_perception.ranging.measure import Ranger
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.zones.config import CameraConfig, ZoneConfig, ZonesConfig
from mtv_perception.zones.judge import Observation
from mtv_perception.zones.monitor import CameraMonitor
from mtv_perception.zones.source import DetectionSource, View

BANDS = ((0, 2), (2, 4), (4, 6), (6, 8), (8, 12), (12, 20))
MATCH_IOU = 0.5
MOVING = ("person", "forklift")


@dataclass
class Moment:
    """Messages of one stamp."""

    image: Any = None
    depth: Any = None
    boxes: Any = None
    places: Any = None


@dataclass
class Distances:
    """Rows of (method, class, distance, error in x, y, squared Mahalanobis distance or NaN)."""

    rows: list[tuple[str, str, float, float, float, float]] = field(default_factory=list)
    missing: Counter[str] = field(default_factory=Counter)


TOPICS = {
    "/camera/image_raw": "image",
    "/camera/depth/image_raw": "depth",
    "/truth/detections": "boxes",
    "/truth/detections_3d": "places",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bags", type=Path, nargs="+")
    parser.add_argument("--model", default="warehouse")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    perceiver = Perceiver(load_artefact(find_model(args.model)))
    distances, tracks, zones = Distances(), {}, {}
    for bag in args.bags:
        camera, moments = read(bag)
        results = list(perceive(perceiver, moments))
        measure(distances, camera, results)
        if len(results) > 1 and results[1][0] - results[0][0] < 300_000_000:
            tracks[bag.name] = compare_trackers(tracked(results), MOVING)
            zones[bag.name] = zone_scores(camera, results)
    report = {
        "distances": table(distances),
        "tracks": tracks,
        "zones": zones,
        "missing": dict(distances.missing),
    }
    print_report(report)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


def read(bag: Path) -> tuple[FloorCamera, dict[int, Moment]]:
    """The camera, and the messages by stamp."""
    moments: dict[int, Moment] = defaultdict(Moment)
    info: Any = None
    mounting: Mounting | None = None
    with AnyReader([bag], default_typestore=typestore()) as reader:
        for connection, _, raw in reader.messages():
            message: Any = reader.deserialize(raw, connection.msgtype)
            if connection.topic in TOPICS:
                stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
                setattr(moments[stamp], TOPICS[connection.topic], message)
            elif connection.topic == "/camera/camera_info":
                info = message
            elif connection.topic == "/tf_static":
                place = message.transforms[0].transform
                move, turn = place.translation, place.rotation
                rigid = Rigid.of((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
                mounting = Mounting.from_rotation((move.x, move.y, move.z), rigid.rotation)
    assert mounting is not None
    size = (int(info.height), int(info.width))
    intrinsics = Intrinsics.from_matrix(size, info.k, info.distortion_model, tuple(info.d))
    return FloorCamera(intrinsics, mounting), dict(sorted(moments.items()))


Seen = tuple[int, Moment, Any, Any]
"""Stamp, messages, result, labels."""


def perceive(perceiver: Perceiver, moments: dict[int, Moment]) -> Iterator[Seen]:
    for stamp, moment in moments.items():
        m = moment.image
        image = decode_raw(m.data, m.height, m.width, m.step, m.encoding, bool(m.is_bigendian))
        yield stamp, moment, perceiver(image), perceiver.spec.labels


def truth_of(moment: Moment) -> list[tuple[int, str, np.ndarray]]:
    """Id, class and box of people and forklifts that show enough of themselves."""
    found = []
    for item in moment.boxes.detections:
        at, name = item.bbox.center.position, item.results[0].hypothesis.class_id
        half = np.array([item.bbox.size_x, item.bbox.size_y]) / 2
        middle = np.array([at.x, at.y])
        if name in MOVING:
            found.append((int(item.id), name, np.concatenate([middle - half, middle + half])))
    return found


def measure(distances: Distances, camera: FloorCamera, results: list[Seen]) -> None:
    for _, moment, result, labels in results:
        ranger, truth = Ranger(camera, labels), truth_of(moment)
        places = {int(d.id): d.results[0].pose.pose.position for d in moment.places.detections}
        found = result.detections
        if not truth or not len(found):
            continue
        iou = pairwise_iou(found.boxes_xyxy, np.array([box for _, _, box in truth], np.float32))
        depth = depth_of(moment)
        for method, given in (("depth", depth), ("floor", None)):
            measured = ranger.measure(found, result.segmentation.class_ids, given)
            by_index = {item.index: item for item in measured.objects}
            for index in range(len(found)):
                best = int(np.argmax(iou[index]))
                track_id, name, _ = truth[best]
                if iou[index, best] < MATCH_IOU or labels.names[found.class_ids[index]] != name:
                    continue
                at = places[track_id]
                true = np.array([at.x, at.y])
                reach = float(np.hypot(*(true - camera.nadir_xy)))
                item = by_index.get(index)
                if item is None:
                    distances.missing[f"{method}: {measured.missing[index]}"] += 1
                    distances.rows.append((method, name, reach, np.nan, np.nan, np.nan))
                    continue
                error = item.position[:2] - true
                squared = float(error @ np.linalg.solve(item.covariance[:2, :2], error))
                distances.rows.append((method, name, reach, *error.tolist(), squared))


def depth_of(moment: Moment) -> np.ndarray | None:
    m = moment.depth
    if m is None:
        return None
    values = np.frombuffer(m.data.tobytes(), "<u2").reshape(m.height, m.width)
    return values.astype(np.float32) / 1000


def table(distances: Distances) -> list[dict[str, Any]]:
    rows = []
    for method in ("depth", "floor"):
        for name in MOVING:
            for low, high in BANDS:
                inside = [
                    r for r in distances.rows if r[:2] == (method, name) and low <= r[2] < high
                ]
                if inside:
                    rows.append(band(method, name, low, high, np.array([r[3:] for r in inside])))
    return rows


def band(method: str, name: str, low: int, high: int, values: np.ndarray) -> dict[str, Any]:
    good = values[np.isfinite(values[:, 0])]
    errors = 100 * np.hypot(good[:, 0], good[:, 1])
    quantiles = np.percentile(errors, [50, 95]).round(1).tolist() if len(good) else [None, None]
    return {
        "method": method,
        "class": name,
        "m": f"{low}-{high}",
        "objects": len(values),
        "measured": round(len(good) / len(values), 3),
        "median_cm": quantiles[0],
        "p95_cm": quantiles[1],
        "inside_2_sigma": round(float(np.mean(good[:, 2] <= 4)), 3) if len(good) else None,
    }


def tracked(results: list[Seen]) -> list[TrackedImage]:
    """The results as they are judged by their tracks."""
    images = []
    for stamp, moment, result, labels in results:
        truth, found = truth_of(moment), result.detections
        images.append(
            TrackedImage(
                stamp,
                [track_id for track_id, _, _ in truth],
                [name for _, name, _ in truth],
                np.array([box for _, _, box in truth]).reshape(-1, 4),
                found,
                [labels.names[k] for k in found.class_ids],
            )
        )
    return images


def zone_scores(camera: FloorCamera, results: list[Seen]) -> dict[str, dict[str, float]]:
    """How each zone of the demo was judged, as if results came without any delay.

    Reactions are counted in images: 0 is the image in which somebody has entered.
    """
    monitor = CameraMonitor(zone_config(camera), ZonesConfig(cameras=(zone_config(camera),)))
    view = View(camera.intrinsics, camera.mounting)
    rows: dict[str, list[tuple[bool, str]]] = {name: [] for name in ZONES}
    for stamp, moment, result, labels in results:
        masked = frozenset(labels.foreground)
        source = DetectionSource(labels, camera.intrinsics.size_hw, mask_classes=masked)
        mask = result.segmentation.class_ids
        monitor.observe(Observation(stamp, result.detections, source, view, mask), stamp)
        truth = footprints_of(moment)
        for state in monitor.states(stamp):
            word = ("occupied" if state.occupied else "free") if state.valid else "unknown"
            corners = np.array(ZONES[state.name])
            now = any(len(shared_points(shape, corners)) > 0 for shape in truth)
            rows[state.name].append((now, word))
    return {name: zone_row(found) for name, found in rows.items()}


def zone_config(camera: FloorCamera) -> CameraConfig:
    zones = tuple(
        from_mapping(ZoneConfig, {"name": name, "polygon": corners, **ZONE_SETTINGS})
        for name, corners in ZONES.items()
    )
    place = camera.mounting
    return CameraConfig(position=place.position_xyz, rpy_deg=place.rpy_deg, zones=zones)


def footprints_of(moment: Moment) -> list[np.ndarray]:
    """Outlines on the floor of what the camera sees."""
    found = []
    for item in moment.places.detections:
        if item.results[0].hypothesis.score >= 0.15:
            at, turn, size = item.bbox.center.position, item.bbox.center.orientation, item.bbox.size
            yaw = 2 * float(np.arctan2(turn.z, turn.w))
            true = HallObject(0, "", (at.x, at.y), yaw, (size.x, size.y), 1.0)
            found.append(true.corners)
    return found


def zone_row(found: list[tuple[bool, str]]) -> dict[str, float]:
    """Figures of one zone."""
    entries = [k for k, (now, _) in enumerate(found) if now and not (k and found[k - 1][0])]
    words = [word for _, word in found]
    delays = [delay for k in entries if (delay := _reaction(found, k)) is not None]
    outside = [word for now, word in found if not now]
    return {
        "images": len(found),
        "inside": sum(now for now, _ in found),
        "free_while_inside": sum(now and word == "free" for now, word in found),
        "unknown": sum(word == "unknown" for word in words),
        "entries": len(entries),
        "entries_never_occupied": len(entries) - len(delays),
        "reaction_images_p50": float(np.median(delays)) if delays else 0.0,
        "reaction_images_max": float(max(delays, default=0)),
        "false_occupied_share": round(outside.count("occupied") / max(len(outside), 1), 3),
    }


def _reaction(found: list[tuple[bool, str]], entry: int) -> int | None:
    """Images from an entry to "occupied", within the visit; None where it never came."""
    for k, (now, word) in enumerate(found[entry:]):
        if not now:
            break
        if word == "occupied":
            return k
    return None


def print_report(report: dict[str, Any]) -> None:
    for row in report["distances"]:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    for bag, scores in report["tracks"].items():
        print(bag, json.dumps(scores))
    print(json.dumps(report["zones"]))
    print(json.dumps(report["missing"]))


if __name__ == "__main__":
    main()
