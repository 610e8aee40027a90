"""Whether a camera's picture can show anything: frozen, dark, overexposed, covered, noise or cut."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

# The picture is judged at this size, pixels: the noise of single pixels is averaged away, and the
# cost does not rise with the image.
_SAMPLE_HW, _SMALL_HW = (192, 256), (48, 64)
# Measured on 2440 photographs (street, indoor, construction, infrared, posed): the darkest has a
# 99th percentile of 64, the brightest a 10th percentile of 206, the smoothest a detail of 7.
_DARK_BELOW, _OVEREXPOSED_FROM, _COVERED_BELOW = 24.0, 245.0, 3.0
# A part of the picture is empty where no two of its 48 grey values differ by more. Of 1500 of these
# photographs the worst has 47% empty parts, a thousandth of them more than 38%.
_PARTS_HW, _EMPTY_UP_TO, _PARTLY_COVERED_FROM = (8, 8), 3, 0.7
# Averaging 4x4 pixels leaves a quarter of the deviation of random ones. Of 3411 photographs the worst
# keeps 0.57. A dark picture with sensor noise loses as much, but its deviation is small.
_NOISE_BELOW, _NOISE_FROM = 0.4, 20.0
# Rows without data are exact zeros: black, or green where the pixels are YUV. A picture may have black
# bars for ever; it is cut where it has more such rows than good pictures had that lasted for so long, s.
_CUT_FROM, _SAME_SHARE, _USUAL_AFTER = 0.05, 0.01, 5.0
# Below the end of the data decoders leave grey (130 where the pixels are of the narrow range), and
# drivers repeat the last row. Of 3411 photographs none has rows of this grey; 9% of one repeat a row.
_GREY, _NARROW_GREY, _FILLED_FROM = 127, 131, 0.2
# Diagnostics show a problem only after it has been seen for this long, seconds.
_PATIENCE = 0.5
_FROZEN_IMAGES = 3
# A driver that hangs may send its buffers in turn. They are few.
_BUFFERS = 8


@dataclass(frozen=True)
class PictureStatistics:
    """Figures of one picture, grey values 0..255.

    Attributes:
        bright: the 99th percentile.
        dim: the 10th percentile.
        detail: 95th percentile of the difference between neighbours in a row.
        empty: share of the picture's parts without any detail, 0..1.
        zeros: share of its rows that hold no data, 0..1.
        filled: share of its rows, from the lower edge up, that are a decoder's grey or repeat a row.
        deviation: standard deviation of its pixels.
        kept: the share of the deviation that averaging of neighbours leaves, 0..1.
        checksum: of the sampled pixels.
    """

    bright: float
    dim: float
    detail: float
    empty: float
    zeros: float
    filled: float
    deviation: float
    kept: float
    checksum: int

    @property
    def problem(self) -> str:
        """What is wrong: "dark", "overexposed", "covered", "noise", "partly_covered", or nothing."""
        if self.bright < _DARK_BELOW:
            return "dark"
        if self.dim >= _OVEREXPOSED_FROM:
            return "overexposed"
        if self.detail < _COVERED_BELOW:
            return "covered"
        if self.kept < _NOISE_BELOW and self.deviation >= _NOISE_FROM:
            return "noise"
        return "partly_covered" if self.empty >= _PARTLY_COVERED_FROM else ""

    @property
    def figures(self) -> str:
        """The figures for people."""
        return (
            f"grey values: 99% below {self.bright:.0f} (dark below {_DARK_BELOW:.0f}), "
            f"90% above {self.dim:.0f} (overexposed from {_OVEREXPOSED_FROM:.0f}), "
            f"detail {self.detail:.1f} (covered below {_COVERED_BELOW:.0f}), "
            f"averaged {self.kept:.0%} of the deviation stay (noise below {_NOISE_BELOW:.0%}), "
            f"{self.empty:.0%} without any (partly covered from {_PARTLY_COVERED_FROM:.0%})"
        )


def picture_statistics(image_rgb: np.ndarray) -> PictureStatistics:
    """Figures of an image `(H, W, 3)` uint8 RGB."""
    rows, columns = (
        max(1, side // want) for side, want in zip(image_rgb.shape, _SAMPLE_HW, strict=False)
    )
    sample = np.ascontiguousarray(image_rgb[::rows, ::columns])
    grey = cv2.cvtColor(sample, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, _SMALL_HW[::-1], interpolation=cv2.INTER_AREA)
    deviation = float(cv2.meanStdDev(grey)[1][0, 0])
    steps = cv2.absdiff(small[:, 1:], small[:, :-1])
    return PictureStatistics(
        _quantile(small, 0.99),
        _quantile(small, 0.1),
        _quantile(steps, 0.95),
        _empty_share(small),
        _zero_share(sample),
        _filled_share(sample),
        deviation,
        float(small.std()) / max(deviation, 1.0),
        zlib.crc32(sample.data.cast("B")),
    )


def _empty_share(small: np.ndarray) -> float:
    """The share of parts without detail."""
    (rows, columns), (height, width) = _PARTS_HW, _SMALL_HW
    parts = small.reshape(rows, height // rows, columns, width // columns)
    return float((np.ptp(parts, axis=(1, 3)) <= _EMPTY_UP_TO).mean())


def _zero_share(sample_rgb: np.ndarray) -> float:
    """The share of rows of one colour in which red and blue are 0."""
    high = cv2.reduce(sample_rgb, 1, cv2.REDUCE_MAX)[:, 0]
    low = cv2.reduce(sample_rgb, 1, cv2.REDUCE_MIN)[:, 0]
    zeros = (high[:, 0] == 0) & (high[:, 2] == 0) & (high[:, 1] == low[:, 1])
    return float(zeros.mean())


def _filled_share(sample_rgb: np.ndarray) -> float:
    """The share of rows from the lower edge up that hold what stands in for lost data."""
    rows = sample_rgb.reshape(len(sample_rgb), -1)
    low, high = rows.min(1), rows.max(1)
    is_filled = (low >= _GREY) & (high <= _NARROW_GREY) & (high - low <= 1)
    repeats = 1 + np.flatnonzero((rows[1:] == rows[:-1]).all(1))
    is_plain = (sample_rgb[repeats] == sample_rgb[repeats, :1]).all((1, 2))
    is_filled[repeats] |= ~is_plain
    from_below = is_filled[::-1]
    return float(from_below.argmin() / len(from_below) if not from_below.all() else 1.0)


def _quantile(values: np.ndarray, share: float) -> float:
    """The grey value below which `share` of uint8 values lie."""
    counts = np.bincount(values.ravel(), minlength=256).cumsum()
    return float(np.searchsorted(counts, share * values.size))


class PictureHealth(NamedTuple):
    """Problems of a picture and their figures, both empty when all is well.

    Attributes:
        at_once: for the status of this picture.
        lasting: for diagnostics, without what lasts for a moment.
    """

    at_once: tuple[str, str] = ("", "")
    lasting: tuple[str, str] = ("", "")


class ImageHealth:
    """Judges the pictures of one camera, one after the other.

    Called by the worker's thread alone.

    Attributes:
        at_once: problems and figures of the last picture, however short they last.
    """

    def __init__(self) -> None:
        self.at_once = "", ""
        self._problem, self._since = "", 0.0
        self._usual_zeros = 1.0
        self._steady, self._steady_since = -1.0, 0.0
        self._checksums: deque[int] = deque(maxlen=_BUFFERS)
        self._changed_at, self._repeats = 0.0, 0

    def see(self, image_rgb: np.ndarray, now: float, frozen_after: float) -> tuple[str, str]:
        """Judge one picture.

        Args:
            image_rgb: `(H, W, 3)` uint8.
            now: steady clock, seconds.
            frozen_after: seconds without new pixels that make a frozen camera; 0: never.

        Returns:
            The problems that last ("frozen", "dark", ...; separated by commas) and their figures,
            both empty when all is well.
        """
        found = picture_statistics(image_rgb)
        problem, figures = self._judge(found, now)
        if problem != self._problem:
            self._problem, self._since = problem, now
        frozen = "", ""
        if self._is_frozen(found.checksum, now, frozen_after):
            seconds = now - self._changed_at
            frozen = "frozen", f"{self._repeats + 1} images without new pixels in {seconds:.1f} s"
        self.at_once = together(frozen, (problem, figures))
        return self.at_once if now - self._since >= _PATIENCE else frozen

    def _judge(self, found: PictureStatistics, now: float) -> tuple[str, str]:
        """The problem of one picture and its figures."""
        if found.problem:
            return found.problem, found.figures
        if found.filled >= _FILLED_FROM:
            return "cut", (
                f"{found.filled:.0%} of the rows, from the lower edge up, are a decoder's grey or repeat the row "
                f"above (cut from {_FILLED_FROM:.0%}): frames arrive in part. If these are bars, set another mode of "
                "the camera, or check_images: false"
            )
        self._learn_usual(found.zeros, now)
        if found.zeros - self._usual_zeros < _CUT_FROM:
            return "", ""
        return "cut", (
            f"{found.zeros:.0%} of the rows are zeros, of other pictures of this camera "
            f"{self._usual_zeros:.0%}: frames arrive in part. If these are bars of another mode of the camera, "
            "activate the node again"
        )

    def _learn_usual(self, zeros: float, now: float) -> None:
        """The share of rows of zeros that this camera has when all is well: never more than it had."""
        if abs(zeros - self._steady) > _SAME_SHARE:
            self._steady, self._steady_since = zeros, now
        if self._usual_zeros == 1 or now - self._steady_since >= _USUAL_AFTER:
            self._usual_zeros = min(self._usual_zeros, self._steady)

    def _is_frozen(self, checksum: int, now: float, frozen_after: float) -> bool:
        if checksum not in self._checksums:
            self._checksums.append(checksum)
            self._changed_at, self._repeats = now, 0
            return False
        self._repeats += 1
        return (
            frozen_after > 0
            and self._repeats >= _FROZEN_IMAGES
            and now - self._changed_at >= frozen_after
        )


def together(*problems: tuple[str, str]) -> tuple[str, str]:
    """Those that are there, as one."""
    names, figures = zip(*problems, strict=True)
    return ",".join(filter(None, names)), "; ".join(filter(None, figures))
