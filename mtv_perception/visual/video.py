"""H.264 videos that browsers play."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from mtv_perception.errors import MtvError

# Frames between full frames: a player can jump to every other second at 10 Hz.
_KEY_FRAMES = 20


class VideoWriter:
    """Writes frames into an mp4; use as a context manager.

    Args:
        path: of the video; replaced if it exists.
        rate: frames a second.
        quality: constant rate factor of x264; 18 is nearly lossless, 28 is small.

    Raises:
        MtvError: PyAV is not installed.
    """

    def __init__(self, path: Path, rate: float, quality: int = 23) -> None:
        try:
            import av
        except ImportError as error:
            raise MtvError(
                "Writing H.264 needs PyAV: expected the package 'av', found none; pip install av."
            ) from error
        self._av: Any = av
        self._path, self._rate, self._quality = path, rate, quality
        self._stream: Any = None

    def __enter__(self) -> VideoWriter:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # The index in front lets a browser begin before it has everything.
        self._file = self._av.open(str(self._path), "w", options={"movflags": "+faststart"})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._file.mux(self._stream.encode(None))
        self._file.close()

    def write(self, image_rgb: np.ndarray) -> None:
        """Append a frame, `(H, W, 3)` uint8 RGB.

        The first sets the size, an odd last row or column is dropped.
        """
        height, width = (side // 2 * 2 for side in image_rgb.shape[:2])
        if self._stream is None:
            self._stream = self._open(height, width)
        pixels = np.ascontiguousarray(image_rgb[:height, :width])
        frame = self._av.VideoFrame.from_ndarray(pixels, format="rgb24")
        self._file.mux(self._stream.encode(frame))

    def _open(self, height: int, width: int) -> Any:
        from fractions import Fraction

        rate = Fraction(self._rate).limit_denominator(1000)
        stream = self._file.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.gop_size = _KEY_FRAMES
        stream.options = {"crf": str(self._quality), "preset": "medium"}
        return stream
