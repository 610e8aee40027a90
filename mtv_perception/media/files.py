"""Images and videos on a disk.

Which files are meant, in which order, and their frames with stamps.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2

from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.media.containers import cut_short, lacks_index
from mtv_perception.media.decode import MAX_FILE_PIXELS, decode_compressed, read_image
from mtv_perception.media.formats import check_size
from mtv_perception.media.frame import Frame
from mtv_perception.media.write import is_utf8
from mtv_perception.resources import pointer_hint

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
VIDEO_SUFFIXES = (
    *(".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v", ".wmv", ".asf", ".flv"),
    *(".ts", ".mts", ".m2ts", ".3gp", ".3g2", ".ogv"),
)
UNREAD_SUFFIXES = (
    *(".heic", ".heif", ".avif", ".jxl", ".jxr", ".psd", ".exr", ".hdr", ".svg", ".ico", ".pam"),
    *(".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".tga", ".pfm", ".j2k"),
)
"""Of pictures in formats that are not read."""
UNREAD_VIDEO_SUFFIXES = (
    *(".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".mjpeg", ".mjpg", ".m2v", ".ivf", ".y4m"),
    *(".m3u8", ".mpd", ".vob", ".f4v", ".mxf", ".rm", ".rmvb", ".divx", ".dv", ".ogg", ".qt"),
)
"""Of videos that are not read: without a container, in pieces, or of rare containers."""
DEFAULT_RATE = 10.0
"""Frames a second of images that have no time of their own."""

_NUMBERS = re.compile(r"(\d+)")
_MJPEG = ("MJPG", "mjpg", "JPEG", "jpeg")
_TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
"""By the degrees that a container asks to turn its frames clockwise."""
# A container rounds its stamps to its time base: 1 ms in Matroska.
_ROUNDING_NS = 2_000_000
_TRIES = (100, 10_000)
"""Failed reads in a row that end a video: as many as its container says may follow, within these.
One takes up to 45 us; a container may claim any number."""

LazyFrame = tuple[int, Callable[[], Frame]]
"""A frame's stamp, and what decodes it (ImageError when it is broken)."""


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorts names as people count: frame2 before frame10; upper and lower case alike."""
    parts = _NUMBERS.split(name.lower())
    return [(0, int(part), part) if index % 2 else (1, 0, part) for index, part in enumerate(parts)]


def image_files(folder: Path) -> list[Path]:
    """The images of a folder as people count them; hidden files are left out."""
    found = [
        item
        for item in folder.iterdir()
        if item.suffix.lower() in IMAGE_SUFFIXES and not item.name.startswith(".")
    ]
    return sorted(found, key=lambda item: (natural_key(item.name), item.name))


def lazy_files(
    path: Path, rate: float = 0.0, max_pixels: int = MAX_FILE_PIXELS
) -> Iterator[LazyFrame]:
    """The frames of an image, a folder of images or a video, each decoded by whoever wants it.

    Args:
        path: what to read.
        rate: frames a second that stamps follow; 0 takes the video's own stamps, or 10 a second.
        max_pixels: larger images are refused when they are decoded.

    Raises:
        ReplayError: nothing there to read.
    """
    if path.is_dir():
        return _folder(path, rate, max_pixels)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _video(path, rate, max_pixels)
    return _images([path], rate, max_pixels)


def _images(files: list[Path], rate: float, max_pixels: int) -> Iterator[LazyFrame]:
    for index, file in enumerate(files):
        stamp = round(index * 1e9 / (rate or DEFAULT_RATE))
        yield stamp, partial(_file_frame, file, stamp, max_pixels)


def _file_frame(path: Path, stamp_ns: int, max_pixels: int) -> Frame:
    return Frame(read_image(path, max_pixels), stamp_ns, "", path.name)


def _folder(path: Path, rate: float, max_pixels: int) -> Iterator[LazyFrame]:
    files = image_files(path)
    if not files:
        raise ReplayError(f"{path}: expected images ({', '.join(IMAGE_SUFFIXES)}), got none.")
    yield from _images(files, rate, max_pixels)


def _capture(path: Path) -> cv2.VideoCapture:
    if not is_utf8(path):
        raise ReplayError(f"{path}: expected a path in UTF-8 for a video; rename it.")
    # FFmpeg takes what stands before a colon for a protocol, as in 2024-01-01T10:00:00.mp4.
    return cv2.VideoCapture(str(path.absolute()))


class _Video:
    """An open video; closes itself when it is over.

    Motion JPEG is decoded here and not by FFmpeg, which hides damage. Frames are turned upright as
    the container's display matrix says.
    """

    def __init__(self, path: Path, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._capture = _capture(path)
        if not self._capture.isOpened():
            why = (
                pointer_hint(path)
                or f": {cut_short(path) or lacks_index(path) or convert_hint(path)}"
            )
            raise ReplayError(f"{path}: expected a video, could not open it{why}.")
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC))
        self.codec = code.to_bytes(4, "little", signed=code < 0).decode("latin-1")
        self.rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self._unread = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._coded = self.codec in _MJPEG and self._capture.set(cv2.CAP_PROP_FORMAT, -1)
        # OpenCV turns what it reads, even where that is coded bytes.
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
        self._turn = _TURNS.get(round(self._capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 360)

    def read(self) -> tuple[int, float, Callable[[], cv2.typing.MatLike]] | None:
        """The next frame that can be read.

        A read also fails at a frame that FFmpeg can't decode; then it goes on behind it.

        Returns:
            How many frames before it can't be decoded, its milliseconds since the beginning, and
            the image; None at the end.
        """
        lost, fewest, most = 0, *_TRIES
        while not (item := self._capture.read())[0]:
            lost += 1
            if lost > min(max(self._unread, fewest), most):
                return None
        data = item[1]
        self._unread -= lost + 1
        at_ms = float(self._capture.get(cv2.CAP_PROP_POS_MSEC))
        if self._coded:
            decode = partial(decode_compressed, data.reshape(-1), max_pixels=self._max_pixels)
        else:
            decode = partial(_to_rgb, data, self._max_pixels)
        return lost, at_ms, partial(_upright, decode, self._turn)

    def close(self) -> None:
        """Release the file."""
        self._capture.release()


def convert_hint(path: Path) -> str:
    """The command that makes a video of another container and codec."""
    target = shlex.quote(f"{path.stem}-h264.mp4")
    return f"where a player shows it, convert it: ffmpeg -i {shlex.quote(path.name)} -c:v libx264 {target}"


def _upright(decode: Callable[[], cv2.typing.MatLike], turn: int | None) -> cv2.typing.MatLike:
    image = decode()
    return image if turn is None else cv2.rotate(image, turn)


def _to_rgb(image_bgr: cv2.typing.MatLike, max_pixels: int) -> cv2.typing.MatLike:
    check_size((image_bgr.shape[0], image_bgr.shape[1]), max_pixels)
    return cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)


def _video(path: Path, rate: float, max_pixels: int) -> Iterator[LazyFrame]:
    video, index, last = _Video(path, max_pixels), 0, -1
    try:
        own = video.rate if 0 < video.rate < 1000 else DEFAULT_RATE
        first_ms = 0.0
        while (item := video.read()) is not None:
            lost, at_ms, decode = item
            for _ in range(lost):
                stamp = round(index * 1e9 / rate) if rate else last + 1
                yield stamp, partial(_video_frame, _undecoded, stamp, f"{path.name}#{index}")
                index, last = index + 1, stamp
            first_ms = at_ms if index == lost else first_ms
            stamp = round(index * 1e9 / (rate or own))
            if not rate:
                stamp = _own_stamp(round((at_ms - first_ms) * 1e6), stamp, last)
            yield stamp, partial(_video_frame, decode, stamp, f"{path.name}#{index}")
            index, last = index + 1, stamp
        if not index:
            raise ReplayError(
                f"{path}: expected frames in the video, got none that FFmpeg here can decode (codec "
                f"{video.codec!r}): {convert_hint(path)}."
            )
    finally:
        video.close()


def _undecoded() -> cv2.typing.MatLike:
    raise ImageError("Expected a whole frame, got one that FFmpeg can't decode.")


def _own_stamp(own_ns: int, steady_ns: int, last_ns: int) -> int:
    """The container's stamp; the steady one where both say the same.

    Or the container's stands still.
    """
    if abs(own_ns - steady_ns) <= _ROUNDING_NS:
        return max(steady_ns, last_ns + 1)
    return own_ns if own_ns > last_ns else last_ns + max(1, steady_ns - last_ns)


def _video_frame(decode: Callable[[], cv2.typing.MatLike], stamp_ns: int, name: str) -> Frame:
    try:
        return Frame(decode(), stamp_ns, "", name)
    except ImageError as error:
        raise type(error)(f"{name}: {error}") from error


def expected_frames(path: Path) -> tuple[int | None, float]:
    """How many frames a file or folder of images may have, for a progress bar, and a video's rate.

    A video's container may claim more than it holds, as after trimming.

    Returns:
        The number, None where unknown; and frames a second, 0 for images.
    """
    if path.is_dir():
        return len(image_files(path)), 0.0
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        return 1, 0.0
    capture = _capture(path)
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    capture.release()
    return count if count > 0 else None, rate if 0 < rate < 1000 else DEFAULT_RATE
