"""The options of which engine runs a network, the same for every command that runs one."""

from __future__ import annotations

import argparse
from typing import TypedDict

from mtv_perception.runtime.backends.config import BACKENDS, CPU, LITERT


class EngineOptions(TypedDict):
    """Fields of PerceiverConfig and EngineConfig."""

    backend: str
    device: str


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--backend` and `--device`."""
    parser.add_argument(
        "--backend",
        default=LITERT,
        choices=BACKENDS,
        help="engine of the network; auto measures and takes the fastest (default: %(default)s)",
    )
    parser.add_argument(
        "--device",
        default=CPU,
        metavar="NAME",
        help="of openvino: CPU, GPU, NPU, ... (default: %(default)s)",
    )


def engine_of(args: argparse.Namespace) -> EngineOptions:
    """What the options say."""
    return {"backend": args.backend, "device": args.device}
