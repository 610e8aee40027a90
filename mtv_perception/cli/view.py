"""`mtv view`: a run in the Rerun viewer."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtv_perception.replay.rerun_view import load_rerun, show_bag

HELP = "look at a run: image, boxes, mask, scores and durations over time (Rerun)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("bag", type=Path, metavar="BAG", help="bag with results, replayed or recorded")
    add("--images", type=Path, metavar="IN", help="what the run saw, if its images are not in the bag")
    add("--save", type=Path, metavar="F.rrd", help="write a Rerun recording instead of opening the viewer")
    add(
        "--connect", metavar="URL", help="send to a viewer that runs elsewhere (rerun+http://HOST:9876/proxy)"
    )


def run(args: argparse.Namespace) -> int:
    """Show the bag."""
    rerun = load_rerun()
    recording = rerun.RecordingStream(f"mtv_perception {args.bag.name}")
    if args.save:
        args.save.parent.mkdir(parents=True, exist_ok=True)
        recording.save(args.save)
    elif args.connect:
        recording.connect_grpc(args.connect)
    else:
        recording.spawn()
    frames = show_bag(args.bag, recording, args.images)
    recording.flush()
    print(f"{args.bag}: {frames} frames" + (f" -> {args.save}" if args.save else ""))
    return 0
