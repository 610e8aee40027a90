"""Turns a bag of `mtv synth --drive` into the demo's clip: H.264 video, calibration and truth.

mtv synth --drive --seconds 20 --seed 7 --split heldout --out build/drive
python tools/hall_clip.py build/drive mtv_perception/demo/media/hall
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.highlevel import AnyReader

from mtv_perception.geometry.camera import Mounting
from mtv_perception.geometry.frames import Rigid
from mtv_perception.media.encodings import decode_raw
from mtv_perception.messages.typestore import typestore
from mtv_perception.visual.video import VideoWriter

_QUALITY = 27


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bag", type=Path)
    parser.add_argument("out", type=Path, help="path without suffix")
    args = parser.parse_args()
    about: dict[str, Any] = {"frames": []}
    stamps: list[int] = []
    with AnyReader([args.bag], default_typestore=typestore()) as reader:
        messages = [
            (connection.topic, reader.deserialize(raw, connection.msgtype))
            for connection, _, raw in reader.messages()
            if connection.topic in TAKEN
        ]
    images = [m for topic, m in messages if topic == "/camera/image_raw"]
    for topic, message in messages:
        TAKEN[topic](about, message)
        if topic == "/camera/image_raw":
            stamps.append(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)
    about["rate"] = round(1e9 / float(np.median(np.diff(stamps))), 3)
    with VideoWriter(args.out.with_suffix(".mp4"), about["rate"], _QUALITY) as video:
        for m in images:
            pixels = decode_raw(m.data, m.height, m.width, m.step, m.encoding, bool(m.is_bigendian))
            video.write(pixels)
    args.out.with_suffix(".json").write_text(json.dumps(about, separators=(",", ":")) + "\n")


def _calibration(about: dict[str, Any], message: Any) -> None:
    about["calibration"] = {
        "size_hw": [int(message.height), int(message.width)],
        "k": message.k.tolist(),
        "distortion_model": message.distortion_model,
        "d": message.d.tolist(),
    }


def _pose(about: dict[str, Any], message: Any) -> None:
    transform = message.transforms[0].transform
    move, turn = transform.translation, transform.rotation
    place = Rigid.of((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
    mounting = Mounting.from_rotation((move.x, move.y, move.z), place.rotation)
    about["position"] = [round(v, 4) for v in mounting.position_xyz]
    about["rpy_deg"] = [round(v, 4) for v in mounting.rpy_deg]


def _truth(about: dict[str, Any], message: Any) -> None:
    about["frames"].append([_object(item) for item in message.detections])


def _object(item: Any) -> list[Any]:
    """Id, class, x, y, yaw, length, width (base frame, m and rad), visible share."""
    at, turn, size = item.bbox.center.position, item.bbox.center.orientation, item.bbox.size
    yaw = 2 * float(np.arctan2(turn.z, turn.w))
    seen = item.results[0].hypothesis
    numbers = [round(float(v), 3) for v in (at.x, at.y, yaw, size.x, size.y, seen.score)]
    return [int(item.id), seen.class_id, *numbers]


TAKEN = {
    "/camera/image_raw": lambda about, message: None,
    "/camera/camera_info": _calibration,
    "/tf_static": _pose,
    "/truth/detections_3d": _truth,
}


if __name__ == "__main__":
    main()
