"""`mtv summary`: size and shapes of a network."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mtv_perception.resources import write_whole

HELP = "parameters, multiply-adds and output shapes of a network"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--preset",
        default="warehouse",
        metavar="NAME",
        help="warehouse, warehouse-small or reference (default: %(default)s)",
    )
    parser.add_argument(
        "--backbone",
        default="mobilenetv2",
        metavar="NAME",
        help="mobilenetv2 or shufflenetv2 (default: %(default)s)",
    )
    parser.add_argument(
        "--width",
        type=float,
        metavar="X",
        help="channel multiplier of the backbone (default: the preset's)",
    )
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(480, 640),
        metavar=("H", "W"),
        help="network input (default: 480 640)",
    )
    parser.add_argument(
        "--legacy-heads",
        action="store_true",
        help="reference: batch norm and ReLU6 after the last convolution of each head",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")


def run(args: argparse.Namespace) -> int:
    """Build the network and print its figures."""
    from mtv_perception.network.loading import load_tensorflow

    load_tensorflow()
    from mtv_perception.config import from_mapping
    from mtv_perception.network.config import NetworkConfig
    from mtv_perception.network.multitask import build_network
    from mtv_perception.network.summary import summarise

    values = {
        "preset": args.preset,
        "backbone": args.backbone,
        "size_hw": list(args.size),
        "legacy_heads": args.legacy_heads,
    }
    if args.width is not None:
        values["width"] = args.width
    figures = summarise(build_network(from_mapping(NetworkConfig, values)))
    print(
        f"{figures['preset']}: {figures['backbone']} x{figures['width']:g} at {args.size[0]}x{args.size[1]}"
    )
    print(f"  parameters      {figures['parameters']:>14,}")
    print(f"  multiply-adds   {figures['multiply_adds']:>14,}")
    print(f"  default boxes   {figures['default_boxes']:>14,}")
    for name, shape in figures["outputs"].items():
        print(f"  {name:<22} {' x '.join(map(str, shape))}")
    if args.json:
        write_whole(args.json, json.dumps(figures, indent=2) + "\n")
    return 0
