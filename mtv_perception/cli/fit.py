"""`mtv fit DATA... --out MODEL`: from labelled images to a model folder."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from mtv_perception.cli.measuring import Renaming, pair
from mtv_perception.cli.options import add_threads, positive
from mtv_perception.fit.options import FitOptions, parse_budget

HELP = "from labelled images to a model folder in one command"
# Below as many images the figures are rough.
_FEW_IMAGES = 100
_EXAMPLES = """examples:
  mtv fit my-floor --out my-models/floor                       the classes of the data, 30 minutes
  mtv fit drive1 drive2 --out my-models/hall --budget 2h       several exports together
  mtv fit my-floor --out my-models/agv --classes agv,person    these classes only
  mtv fit export --out my-models/hall --from worker=person     worker begins from what person knew

Interrupted? The same command goes on where it was. `mtv init` writes the training file to edit.
"""


def _budget(text: str) -> float:
    try:
        return parse_budget(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(
            f"expected different class names with commas, got {text!r}"
        )
    return names


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog, parser.formatter_class = _EXAMPLES, argparse.RawDescriptionHelpFormatter
    add_fit_options(parser)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="model folder to write")
    add(
        "--precision",
        default="int8",
        choices=("int8", "float32"),
        help="of the model (default: %(default)s)",
    )
    add_threads(parser)


def add_fit_options(parser: argparse.ArgumentParser) -> None:
    """Declare what `mtv fit` and `mtv init` share."""
    add = parser.add_argument
    add(
        "data",
        type=Path,
        nargs="+",
        metavar="DATA",
        help="folder of labelled images, as the labelling tool exports it",
    )
    add(
        "--classes",
        type=_names,
        default=(),
        metavar="A,B",
        help="classes to find (default: those of the data)",
    )
    add(
        "--rename",
        type=pair,
        nargs="+",
        action=Renaming,
        default={},
        metavar="THEIRS=OURS",
        help="class names of the data to yours",
    )
    add(
        "--initial",
        default="warehouse",
        metavar="MODEL",
        help="model or run to begin from; none begins from a pretrained backbone (default: %(default)s)",
    )
    add(
        "--from",
        dest="sources",
        type=pair,
        nargs="+",
        action=Renaming,
        default={},
        metavar="OURS=THEIRS",
        help="class of --initial that a class of yours begins from",
    )
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument(
        "--budget",
        type=_budget,
        default=30.0,
        metavar="TIME",
        help="time for everything, such as 30m or 2h (default: 30m)",
    )
    limit.add_argument(
        "--steps", type=positive, default=0, metavar="N", help="training steps, instead of --budget"
    )
    add(
        "--size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="network input (default: that of the first weights, with a new class by the size of the objects)",
    )
    add("--seed", type=int, default=1, metavar="S", help="of everything random (default: 1)")


def options_of(args: argparse.Namespace, out: Path) -> FitOptions:
    """The options as given on the command line."""
    return FitOptions(
        data=tuple(args.data),
        out=out,
        classes=args.classes,
        initial="" if args.initial == "none" else args.initial,
        sources=dict(args.sources),
        rename=args.rename,
        minutes=0.0 if args.steps else args.budget,
        steps=args.steps,
        size_hw=tuple(args.size) if args.size else None,
        precision=getattr(args, "precision", "int8"),
        seed=args.seed,
        threads=getattr(args, "threads", 2),
    )


def run(args: argparse.Namespace) -> int:
    """Fit, then print the figures and where the model is."""
    from mtv_perception.network.loading import load_tensorflow

    load_tensorflow()
    from mtv_perception.fit.fit import REPORT_FILE, fit

    options = options_of(args, args.out)
    try:
        scores = fit(options, lambda text: print(text, flush=True))
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on from {options.out}", flush=True)
        raise
    images = int(scores["images"])
    rough = f" ({images} image{'s' if images > 1 else ''}: rough)" if images < _FEW_IMAGES else ""
    for name, row in scores["per_class"].items():
        if row["ap50"] is not None:
            print(f"{name}: AP@.50 {row['ap50']:.3f}, AP@[.50:.95] {row['ap']:.3f}{rough}")
    print(f"model: {options.out}\nreport: {options.out / REPORT_FILE}")
    print(f"try it: mtv predict IMAGES --model {shlex.quote(str(options.out))} --out seen")
    return 0
