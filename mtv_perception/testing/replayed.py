"""A run as tests ask about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtv_perception.compare.golden import read_run
from mtv_perception.compare.runs import Run
from mtv_perception.compare.truth import read_truth
from mtv_perception.errors import ReplayError
from mtv_perception.testing.presence import Presence, Region
from mtv_perception.types import Detections


class ReplayedRun:
    """A bag with results, or a golden file.

    Attributes:
        run: the frames.
        begin_ns: stamp of the first frame; the times of presences count from it.

    Args:
        path: of the bag or file.
        allow_damage: accept a run that lacks frames. Nothing is detected in what is missing.

    Raises:
        ReplayError: the run can't be read, or is damaged and that is not allowed.
    """

    def __init__(self, path: Path | str, *, allow_damage: bool = False) -> None:
        self.run: Run = read_run(Path(path))
        if self.run.damage and not allow_damage:
            raise ReplayError(
                f"{path}: expected a whole run, got a damaged one: {self.run.damage} "
                "(allow_damage=True takes it as it is)"
            )
        self.begin_ns = min((stamp for _, stamp, _ in self.run.frames), default=0)

    def frames(self, camera: str = "") -> list[tuple[float, Detections]]:
        """Time in seconds and detections of each frame of a camera, in order of time."""
        chosen = {
            (stamp, count): frame
            for (name, stamp, count), frame in self.run.frames.items()
            if name == camera
        }
        if not chosen:
            raise ValueError(
                f"Expected a camera of {', '.join(map(repr, self.run.cameras))}, got {camera!r}."
            )
        if any(count for _, count in chosen):
            raise ValueError(
                "Expected frames with stamps of their own, several have the same one: no time of a presence "
                "could be told."
            )
        return [((key[0] - self.begin_ns) / 1e9, chosen[key].detections) for key in sorted(chosen)]

    def presence(
        self,
        class_name: str,
        *,
        min_score: float = 0.0,
        region: Region | None = None,
        camera: str = "",
    ) -> Presence:
        """When a class was reported.

        Args:
            class_name: of the model's classes.
            min_score: detections below it do not count.
            region: only boxes whose centre is inside count.
            camera: whose results.
        """
        class_id = self.run.labels.id_of(class_name)
        _check_region(region)
        if not 0 <= min_score <= 1:
            raise ValueError(f"Expected min_score in 0 .. 1, got {min_score!r}.")

        def is_it(found: Detections) -> np.ndarray:
            return (
                (found.class_ids == class_id) & (found.scores >= min_score) & inside(found, region)
            )

        times, detections = zip(*self.frames(camera), strict=True)
        return Presence.of(class_name, times, detections, is_it)

    def true_presence(
        self, bag: Path | str, class_name: str, *, topic: str = "", region: Region | None = None
    ) -> Presence:
        """When a class was there by the truth in a bag, on the same clock as `presence`.

        Args:
            bag: with a Detection2DArray of the truth.
            class_name: of the model's classes.
            topic: of the truth; found by itself when it is the only one.
            region: as above.
        """
        _check_region(region)
        truth = read_truth(Path(bag), self.run.labels, topic)
        class_id = self.run.labels.id_of(class_name)
        times = [(stamp - self.begin_ns) / 1e9 for stamp in sorted(truth)]
        return Presence.of(
            class_name,
            times,
            [truth[stamp] for stamp in sorted(truth)],
            lambda found: (found.class_ids == class_id) & inside(found, region),
        )


def _check_region(region: Region | None) -> None:
    """ValueError for a region that no centre of a box in pixels can lie in."""
    if region is None:
        return
    x0, y0, x1, y1 = region
    if not (x0 < x1 and y0 < y1) or max(map(abs, region)) <= 1:
        raise ValueError(
            f"Expected a region x0, y0, x1, y1 in pixels, the first corner above and left of the second, got "
            f"{region!r}."
        )


def inside(found: Detections, region: Region | None) -> np.ndarray:
    """Which boxes have their centre in a region, `(N,)` bool."""
    if region is None:
        return np.ones(len(found), bool)
    centres = (found.boxes_xyxy[:, :2] + found.boxes_xyxy[:, 2:]) / 2
    low, high = np.asarray(region[:2]), np.asarray(region[2:])
    result: np.ndarray = ((centres >= low) & (centres <= high)).all(1)
    return result
