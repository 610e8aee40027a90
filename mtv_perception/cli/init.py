"""`mtv init DATA... --out FILE.yaml`.

The training configuration that `mtv fit` would use, to edit.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mtv_perception.cli.fit import add_fit_options, options_of

HELP = "write the training configuration that mtv fit would use, to edit"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_fit_options(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE.yaml", help="configuration to write"
    )


def run(args: argparse.Namespace) -> int:
    """Read the data, write the file, and say what to do with it."""
    from mtv_perception.network.loading import load_tensorflow

    load_tensorflow()
    from mtv_perception.fit.fit import plan_fit

    if args.out.exists():
        raise ValueError(f"{args.out}: expected a new file, it exists; choose another --out.")
    lists = args.out.with_suffix(".lists")
    prepared = plan_fit(options_of(args, args.out.parent), args.out, lists)
    for note in prepared.notes:
        print(note)
    print(f"written: {args.out}")
    if lists.is_dir():
        print(
            f"written: {lists}/, the images that train, that choose the checkpoint (check), and "
            "that judge: mtv evaluate --take list:FILE"
        )
    print(f"train it: mtv train {args.out}")
    return 0
