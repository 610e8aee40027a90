"""Frames from a video, an image folder or a bag's image topic, with their stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.media.frame import Frame

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v")
BAG_SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd")
_DEFAULT_RATE = 10.0


LazyFrame = tuple[int, Callable[[], Frame]]
"""A frame's stamp, and what decodes it (ImageError when it is broken)."""


def _same(frame: Frame) -> Frame:
    return frame


def _video(path: Path, rate: float) -> Iterator[LazyFrame]:
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise ReplayError(f"{path}: expected a video, could not open it.")
        own = capture.get(cv2.CAP_PROP_FPS)
        period = 1e9 / (rate or (own if 0 < own < 1000 else _DEFAULT_RATE))
        index = 0
        while True:
            good, image = capture.read()
            if not good:
                break
            frame = Frame(
                cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
                round(index * period),
                "",
                f"{path.name}#{index}",
            )
            yield frame.stamp_ns, partial(_same, frame)
            index += 1
        if not index:
            raise ReplayError(f"{path}: expected frames in the video, got none.")
    finally:
        capture.release()


def _read_file(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ImageError(f"{path}: expected an image, could not decode it.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _file_frame(path: Path, stamp_ns: int) -> Frame:
    return Frame(_read_file(path), stamp_ns, "", path.name)


def image_files(folder: Path) -> list[Path]:
    """The images of a folder by name."""
    return sorted(item for item in folder.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES)


def _folder(path: Path, rate: float) -> Iterator[LazyFrame]:
    files = image_files(path)
    if not files:
        raise ReplayError(f"{path}: expected images ({', '.join(IMAGE_SUFFIXES)}), got none.")
    for index, file in enumerate(files):
        stamp = round(index * 1e9 / (rate or _DEFAULT_RATE))
        yield stamp, partial(_file_frame, file, stamp)


def _single(path: Path, rate: float) -> Iterator[LazyFrame]:
    yield 0, partial(_file_frame, path, 0)


def _bag(path: Path, rate: float) -> Iterator[LazyFrame]:
    from mtv_perception.bags.reader import lazy_bag_frames

    yield from lazy_bag_frames(path)


def is_bag(path: Path) -> bool:
    """Whether a path is a rosbag2: a folder with metadata or storage files, or a storage file."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or any(
            item.name.endswith(BAG_SUFFIXES) for item in path.iterdir()
        )
    return path.name.endswith(BAG_SUFFIXES)


def reader_of(path: Path) -> Callable[[Path, float], Iterator[LazyFrame]]:
    """What reads a path; ReplayError when nothing does."""
    if not path.exists():
        raise ReplayError(f"{path}: expected an image, a folder, a video or a bag, found nothing.")
    if is_bag(path):
        return _bag
    if path.is_dir():
        return _folder
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _video
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _single
    raise ReplayError(
        f"{path}: expected an image, a folder, a video or a bag, got a file of another kind."
    )


def count_frames(path: Path) -> int | None:
    """How many frames a file or folder of images claims to have; None where it does not say."""
    if path.is_dir():
        return len(image_files(path))
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        return 1
    capture = cv2.VideoCapture(str(path))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    capture.release()
    return count if count > 0 else None


def lazy_frames(path: Path, rate: float = 0.0) -> Iterator[LazyFrame]:
    """As `open_frames`, each to be decoded by whoever wants it: a broken image does not end the sequence."""
    return reader_of(path)(path, rate)


def open_frames(path: Path, rate: float = 0.0) -> Iterator[Frame]:
    """The frames of a file, folder or bag in order.

    Args:
        path: what to read.
        rate: frames a second that stamps follow, for files; 0 takes the video's own, or 10.

    Raises:
        ReplayError: nothing there to read.
        ImageError: an image file that can't be decoded.
    """
    for _, decode in reader_of(path)(path, rate):
        yield decode()
