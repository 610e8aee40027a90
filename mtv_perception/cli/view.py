"""`mtv view`: a run, or a running node, in the Rerun viewer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mtv_perception.errors import ReplayError
from mtv_perception.viewer.rerun_view import Shown, load_rerun, show_bag

HELP = (
    "look at a run, or a running node: image, boxes, mask, scores and durations over time (Rerun)"
)
LIVE = "live"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add(
        "bag",
        type=Path,
        metavar="BAG",
        help=f"bag with results, replayed or recorded; {LIVE!r} for a running node",
    )
    add(
        "--images",
        type=Path,
        metavar="IN",
        help="what the run saw, if its images are not in the bag",
    )
    add(
        "--camera",
        default="",
        metavar="NAME",
        help="live: which of the node's cameras, if it has several",
    )
    add(
        "--seconds",
        type=float,
        default=0.0,
        metavar="S",
        help="live: end after so long (default: Ctrl-C)",
    )
    add(
        "--save",
        type=Path,
        metavar="F.rrd",
        help="write a Rerun recording instead of opening the viewer",
    )
    add(
        "--connect",
        metavar="URL",
        help="send to a viewer that runs elsewhere (rerun+http://HOST:9876/proxy)",
    )


def run(args: argparse.Namespace) -> int:
    """Show the bag or the node; 1 where a part of the bag is not in the recording.

    Raises:
        ReplayError: no bag with results, or a node that has none.
    """
    rerun = load_rerun()
    recording = rerun.RecordingStream(f"mtv_perception {args.bag.name}")
    if args.save:
        args.save.parent.mkdir(parents=True, exist_ok=True)
        recording.save(args.save)
    elif args.connect:
        recording.connect_grpc(args.connect)
    else:
        recording.spawn()
    live = str(args.bag) == LIVE
    shown = (
        Shown(_show_live(recording, args)) if live else show_bag(args.bag, recording, args.images)
    )
    recording.flush()
    print(f"{args.bag}: {shown.frames} frames" + (f" -> {args.save}" if args.save else ""))
    if live and not shown.frames:
        wanted = f"{args.camera.strip('/')}/detections".lstrip("/")
        raise ReplayError(
            f"Expected results of a running node on /{wanted}, heard none; activate the node, start "
            "it outside of a namespace, and name one of its cameras with --camera."
        )
    if shown.unreadable:
        print(f"{args.bag}: {shown.unreadable} images can't be read and are not shown")
    if shown.damage:
        print(f"{args.bag}: DAMAGED, the rest is shown: {shown.damage}")
    return int(bool(shown.unreadable or shown.damage))


def _show_live(recording: Any, args: argparse.Namespace) -> int:
    try:
        from mtv_perception.ros.tools.live_view import view_live
    except ImportError as error:
        raise ReplayError(
            f"Expected a ROS 2 to view a running node, found none: {error}"
        ) from error
    return view_live(recording, args.camera.strip("/"), args.seconds)
