"""How far a run has come: by its steps, or by the clock where its time is limited."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from mtv_perception.config import read_record
from mtv_perception.resources import write_whole
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.schedule import cosine, warmup_cosine
from mtv_perception.yaml_text import format_yaml

_FILE = "clock.yaml"
_WARMUP_PART = 10


class Pace:
    """Progress of a run, 0..1, for its learning rate and its end.

    Args:
        steps: after which the run ends.
        minutes: after which it ends earlier; 0 for no limit. Time that a resumed run has spent
            before counts.
        folder: of the run, which keeps the time spent.
        clock: seconds, for tests.
    """

    def __init__(
        self, steps: int, minutes: float, folder: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps, self._limit_s = steps, minutes * 60
        self._path, self._clock = folder / _FILE, clock
        self._spent_s, self._begun = self._read(), clock()

    def _read(self) -> float:
        if not self._limit_s or not self._path.is_file():
            return 0.0
        return float(read_record(self._path, "seconds")["seconds"])

    @property
    def spent_s(self) -> float:
        """Seconds of training, those before an interruption included."""
        return self._spent_s + self._clock() - self._begun

    def progress(self, done: int) -> float:
        """The larger share of steps and time, 0..1.

        Args:
            done: steps that are finished.
        """
        by_time = self.spent_s / self._limit_s if self._limit_s else 0.0
        return min(max(done / self._steps, by_time), 1.0)

    def is_over(self, done: int) -> bool:
        """Whether the run ends now."""
        return self.progress(done) >= 1

    def keep(self) -> None:
        """Write the time spent, beside a checkpoint."""
        if self._limit_s:
            text = format_yaml({"seconds": round(self.spent_s, 1)})
            write_whole(self._path, text)


def learning_rate(config: TrainConfig, done: int, pace: Pace) -> float:
    """The rate of the step after `done` steps: by the clock where the run's time is limited.

    A run that is shorter than its warm-up rises during a tenth of its steps: it must reach its rate,
    and descend from it.
    """
    peak, warmup = config.optimiser.learning_rate, config.optimiser.warmup
    if warmup >= config.steps:
        warmup = config.steps // _WARMUP_PART
    if not config.minutes or done < warmup:
        return warmup_cosine(done, config.steps, peak, warmup)
    return cosine(pace.progress(done), peak)
