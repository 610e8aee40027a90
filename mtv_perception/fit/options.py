"""What a fit is made from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from mtv_perception.errors import ConfigError

LEAST_MINUTES = 1.0
_BUDGET = re.compile(r"(?:(?P<hours>\d+(?:\.\d+)?)h)?(?:(?P<minutes>\d+(?:\.\d+)?)m?)?")


@dataclass(frozen=True)
class FitOptions:
    """The options of `mtv fit`.

    Attributes:
        data: data sets of any layout that is read.
        out: model folder to write; the run, the report and `fit.json` lie in it, too.
        classes: to be found; empty takes the classes of the data.
        initial: model, run or checkpoint to begin from; empty begins from a pretrained backbone.
        sources: class of `initial` that a class of ours begins from, by our name.
        rename: class name of the data to ours.
        minutes: time for everything; 0 where `steps` limits it.
        steps: of training; 0 where `minutes` limits it.
        size_hw: network input, pixels; None chooses.
        precision: of the exported model.
        seed: of everything random.
        threads: CPU threads for measurements.
    """

    data: tuple[Path, ...]
    out: Path
    classes: tuple[str, ...] = ()
    initial: str = "warehouse"
    sources: dict[str, str] = field(default_factory=dict)
    rename: dict[str, str] = field(default_factory=dict)
    minutes: float = 30.0
    steps: int = 0
    size_hw: tuple[int, int] | None = None
    precision: str = "int8"
    seed: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        if not self.data:
            raise ConfigError("expected at least one data set, got none.")
        if not self.steps and self.minutes < LEAST_MINUTES:
            raise ConfigError(f"expected a budget of at least {LEAST_MINUTES:g} minute.")
        if self.sources and not self.initial:
            raise ConfigError("--from: expected --initial, whose classes it names, got none.")
        if "background" in self.classes:
            raise ConfigError("classes: expected no background; it is always there.")


def parse_budget(text: str) -> float:
    """Minutes of `30m`, `1h`, `1h30m`, `1.5h` or `30`; ValueError for anything else."""
    match = _BUDGET.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        raise ValueError(f"expected a time such as 30m, 1h or 1h30m, got {text!r}")
    return 60 * float(match["hours"] or 0) + float(match["minutes"] or 0)
