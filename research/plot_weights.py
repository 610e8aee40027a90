#!/usr/bin/env python3
"""The task weights of several training runs side by side.

python research/plot_weights.py runs/warehouse-uncertainty runs/warehouse-log --out weights.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from mtv_perception.training.runs.log import read_curves

_PREFIX = "weight/"


def main() -> None:
    """Draw a panel a run: each task's weight (the gradient of the total by its loss) over the
    steps.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folder")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    args = parser.parse_args()
    figure = Figure(figsize=(3 * len(args.runs), 2.8), layout="constrained")
    panels = figure.subplots(1, len(args.runs), squeeze=False, sharey=True)[0]
    for axes, run in zip(panels, args.runs, strict=True):
        axes.set_title(run.name, fontsize=10)
        axes.set_xlabel("step")
        axes.set_yscale("log")
        axes.grid(alpha=0.3)
        for name, curve in read_curves(run).items():
            if name.startswith(_PREFIX):
                axes.plot(*np.array(curve).T, label=name.removeprefix(_PREFIX))
    panels[0].set_ylabel("task weight")
    panels[0].legend(fontsize="small")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=80)


if __name__ == "__main__":
    main()
