"""Measures tracks of people on a real clip whose truth is a MOTChallenge file.

    python tools/measuring/measure_clip.py vtest.avi --truth gt.txt --model warehouse

`vtest.avi` of OpenCV's samples (Debian: opencv-doc) is the sequence PETS09-S2L1. Its truth is part
of 2DMOT2015, https://motchallenge.net/data/MOT15/, for non-commercial use. The project holds no copy.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tracks import TrackedImage, compare_trackers

from mtv_perception.errors import MtvError
from mtv_perception.replay.inputs import read_frames
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.perceiver import Perceiver

PERSON = "person"
# Frame, id, left, top, width, height, and 0 where the row does not count.
_COLUMNS = 7


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--model", default="warehouse")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    artefact = load_artefact(find_model(args.model))
    images = list(tracked(Perceiver(artefact), args.clip, read_truth(args.truth)))
    report = {
        "clip": args.clip.name,
        "model": artefact.model_id,
        "images": len(images),
        "tracks": compare_trackers(images, [PERSON]),
    }
    print(json.dumps(report, indent=1))
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n")


Truth = dict[int, list[tuple[int, np.ndarray]]]
"""Ids and boxes by the number of the frame, from 0."""


def read_truth(path: Path) -> Truth:
    """The rows of a MOTChallenge `gt.txt` that count.

    Frames and pixels are numbered from 1 there, and from 0 in what is returned.

    Raises:
        MtvError: a row that has fewer columns.
    """
    found: Truth = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        values = line.split(",")
        if len(values) < _COLUMNS:
            raise MtvError(
                f"{path}, line {number}: expected at least {_COLUMNS} columns (frame, id, left, "
                f"top, width, height, counts), found {len(values)}."
            )
        frame, track_id, left, top, width, height, counts = map(float, values[:_COLUMNS])
        if counts:
            x, y = left - 1, top - 1
            box = np.array([x, y, x + width, y + height])
            found.setdefault(int(frame) - 1, []).append((int(track_id), box))
    return found


def tracked(perceiver: Perceiver, clip: Path, truth: Truth) -> Iterator[TrackedImage]:
    """Every frame of the clip with its truth and what the model finds."""
    names = perceiver.spec.labels.names
    for number, frame in enumerate(read_frames(clip)):
        rows = truth.get(number, [])
        found = perceiver(frame.image_rgb).detections
        yield TrackedImage(
            frame.stamp_ns,
            [track_id for track_id, _ in rows],
            [PERSON] * len(rows),
            np.array([box for _, box in rows]).reshape(-1, 4),
            found,
            [names[k] for k in found.class_ids],
        )


if __name__ == "__main__":
    main()
