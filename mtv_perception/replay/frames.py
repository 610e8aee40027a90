"""Frames from a video, an image folder or a bag's image topic, with their stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.errors import ImageError, ReplayError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".m4v")
_DEFAULT_RATE = 10.0


@dataclass(frozen=True)
class Frame:
    """One image of a sequence.

    Attributes:
        image_rgb: `(H, W, 3)` uint8.
        stamp_ns: since the beginning of the sequence (files), or the header's own (bags).
        frame_id: of the header; empty for files.
        name: for messages to people.
    """

    image_rgb: np.ndarray
    stamp_ns: int
    frame_id: str
    name: str


def _video(path: Path, rate: float) -> Iterator[Frame]:
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
            yield Frame(
                cv2.cvtColor(image, cv2.COLOR_BGR2RGB), round(index * period), "", f"{path.name}#{index}"
            )
            index += 1
        if not index:
            raise ReplayError(f"{path}: expected frames in the video, got none.")
    finally:
        capture.release()


def _read_file(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise ImageError(f"{path}: expected an image, could not decode it.")
    return image


def _folder(path: Path, rate: float) -> Iterator[Frame]:
    files = sorted(item for item in path.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise ReplayError(f"{path}: expected images ({', '.join(IMAGE_SUFFIXES)}), got none.")
    for index, file in enumerate(files):
        yield Frame(_read_file(file), round(index * 1e9 / (rate or _DEFAULT_RATE)), "", file.name)


def _single(path: Path, rate: float) -> Iterator[Frame]:
    yield Frame(_read_file(path), 0, "", path.name)


def _bag(path: Path, rate: float) -> Iterator[Frame]:
    from mtv_perception.replay.bags import bag_frames

    yield from bag_frames(path)


def is_bag(path: Path) -> bool:
    """Whether a path is a rosbag2: a folder with metadata, or a storage file."""
    return (path / "metadata.yaml").is_file() or path.suffix in (".mcap", ".db3")


def reader_of(path: Path) -> Callable[[Path, float], Iterator[Frame]]:
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
    raise ReplayError(f"{path}: expected an image, a folder, a video or a bag, got a file of another kind.")


def open_frames(path: Path, rate: float = 0.0) -> Iterator[Frame]:
    """The frames of a file, folder or bag in order.

    Args:
        path: what to read.
        rate: frames a second that stamps follow, for files; 0 takes the video's own, or 10.

    Raises:
        ReplayError: nothing there to read.
        ImageError: an image file that can't be decoded.
    """
    return reader_of(path)(path, rate)
