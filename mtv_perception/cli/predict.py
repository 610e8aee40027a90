"""`mtv predict SOURCE...`: images, folders, videos or bags to overlays, masks and JSON lines."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtv_perception.cli.engines import add_engine_options, engine_of

if TYPE_CHECKING:
    from mtv_perception.labels import LabelSet
    from mtv_perception.media.frame import Frame
    from mtv_perception.types import Result

HELP = "images, folders or videos to overlays, masks and JSON lines"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "sources", nargs="+", type=Path, metavar="SOURCE", help="image, folder, video or bag"
    )
    parser.add_argument(
        "--model", default="warehouse", help="model folder, or the name of one that comes along"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for overlays/, masks/ and results.jsonl"
    )
    parser.add_argument(
        "--score-threshold",
        "--score",
        dest="score_threshold",
        metavar="S",
        type=float,
        default=-1.0,
        help="lowest score (default: the model's own, by class)",
    )
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of the network")
    add_engine_options(parser)


def run(args: argparse.Namespace) -> int:
    """Perceive every frame; a broken image is reported and passed over, and makes the exit status 1."""
    from tqdm import tqdm

    from mtv_perception.errors import ImageError
    from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact
    from mtv_perception.runtime.models import find_model

    config = PerceiverConfig(
        score_threshold=args.score_threshold, num_threads=args.threads, **engine_of(args)
    )
    perceiver = Perceiver(load_artefact(find_model(args.model)), config)
    for folder in ("overlays", "masks"):
        (args.out / folder).mkdir(parents=True, exist_ok=True)
    failed = 0
    with (args.out / "results.jsonl").open("w", encoding="utf-8") as lines:
        for source in args.sources:
            for index, frame in enumerate(
                tqdm(_frames(source), unit="image", desc=source.name, dynamic_ncols=True)
            ):
                if isinstance(frame, ImageError):
                    failed += 1
                    sys.stderr.write(f"mtv: {frame}\n")
                    continue
                result = perceiver(frame.image_rgb)
                name = f"{source.stem}-{index:06d}"
                _write_pictures(args.out, name, frame, result, perceiver.spec.labels)
                lines.write(
                    json.dumps(to_line(source, frame.name, name, result, perceiver.spec.labels))
                    + "\n"
                )
    print(
        f"wrote {args.out / 'results.jsonl'}"
        + (f"; {failed} image(s) could not be read" if failed else "")
    )
    return 1 if failed else 0


def _frames(source: Path) -> Iterator[Frame | Exception]:
    """The source's frames; files of a folder one by one, so that a broken one does not end it."""
    from mtv_perception.errors import ImageError
    from mtv_perception.media.frames import IMAGE_SUFFIXES, is_bag, open_frames

    if source.is_dir() and not is_bag(source):
        files = sorted(item for item in source.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES)
    else:
        files = []
    for item in files or [source]:
        try:
            yield from open_frames(item)
        except ImageError as error:
            yield error


def to_line(
    source: Path, frame: str, name: str, result: Result, labels: LabelSet
) -> dict[str, Any]:
    """One frame's result as a plain dict: boxes in source pixels, pixel shares, times."""
    found, pixels = result.detections, result.segmentation.class_ids
    rows = zip(
        found.boxes_xyxy.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
    )
    return {
        "source": str(source),
        "frame": frame,
        "name": name,
        "size_hw": list(result.size_hw),
        "detections": [
            {
                "class": labels.names[class_id],
                "score": round(score, 4),
                "box_xyxy": [round(v, 2) for v in box],
            }
            for box, score, class_id in rows
        ],
        "pixel_share": {
            label: round(float((pixels == index).mean()), 5)
            for index, label in enumerate(labels.names)
        },
        "network_ms": round(result.timing.network_ms, 3),
        "total_ms": round(result.timing.total_ms, 3),
    }


def _write_pictures(out: Path, name: str, frame: Frame, result: Result, labels: LabelSet) -> None:
    import cv2

    from mtv_perception.visual.overlay import draw_overlay

    overlay = draw_overlay(frame.image_rgb, result, labels, f"{result.timing.total_ms:.1f} ms")
    cv2.imwrite(str(out / "overlays" / f"{name}.jpg"), cv2.cvtColor(overlay, cv2.COLOR_RGB2BGR))
    cv2.imwrite(str(out / "masks" / f"{name}.png"), result.segmentation.class_ids)
