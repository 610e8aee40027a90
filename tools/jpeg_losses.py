#!/usr/bin/env python3
"""Measure how often lost bytes inside baseline JPEGs go unnoticed, on real images.

tools/jpeg_losses.py FOLDER [--images 50] [--seed 15]

Bytes are removed, or set to zero, at one random place of the coded pixels. The decoder either
refuses the image or gives a picture; of each picture the share of wrong pixels is taken. All
images of the folder are decoded whole, too: a refused one is a false alarm. Prints tables in
Markdown.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mtv_perception.errors import ImageError
from mtv_perception.media.decode import MAX_FILE_PIXELS, decode_compressed

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
KINDS = ("removed", "zeroed")
SMALLEST = 4096
"""Bytes of a file below which a loss of 512 would be most of the picture."""
WRONG_BY = 16
"""Steps of 255 from which on a pixel counts as wrong: beyond what a second coding changes."""


def scan_of(data: bytes) -> tuple[int, int] | None:
    """Where the coded pixels of a baseline JPEG of one scan begin and end; None for others."""
    begin, end = data.find(b"\xff\xda"), data.rfind(b"\xff\xd9")
    if b"\xff\xc0" not in data[:begin] or b"\xff\xc2" in data[:begin] or end < begin:
        return None
    begin += 2 + int.from_bytes(data[begin + 2 : begin + 4], "big")
    return (begin, end) if end - begin > SMALLEST else None


def lose(data: bytes, size: int, kind: str, rng: random.Random) -> bytes:
    """The file without some bytes of its coded pixels, or with zeros there."""
    begin, end = scan_of(data) or (0, len(data))
    at = rng.randrange(begin, end - size)
    return data[:at] + (b"" if kind == "removed" else bytes(size)) + data[at + size :]


def decoded(data: bytes) -> np.ndarray | None:
    """The picture; None where the decoder refuses it."""
    try:
        return decode_compressed(data, max_pixels=MAX_FILE_PIXELS).astype(np.int16)
    except ImageError:
        return None


def unnoticed(files: list[bytes], size: int, kind: str, rng: random.Random) -> list[float]:
    """The share of wrong pixels of each damaged picture that the decoder accepts."""
    wrong = []
    for data in files:
        picture, whole = decoded(lose(data, size, kind, rng)), decoded(data)
        if picture is not None and whole is not None:
            wrong.append(float((np.abs(picture - whole).max(2) > WRONG_BY).mean()))
    return wrong


def rows(files: list[bytes], seed: int) -> Iterator[str]:
    """The lines of the table of losses."""
    yield "| bytes lost | removed: unnoticed | wrong pixels | zeroed: unnoticed | wrong pixels |"
    yield "|---|---|---|---|---|"
    for size in SIZES:
        rng = random.Random(seed * 1000 + size)
        cells = [str(size)]
        for kind in KINDS:
            wrong = unnoticed(files, size, kind, rng)
            middle = f"{np.median(wrong):.0%}" if wrong else "-"
            cells += [f"{len(wrong)} of {len(files)}", middle]
        yield f"| {' | '.join(cells)} |"


def main() -> int:
    """Print both tables; 1 when a whole image is refused."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=50)
    parser.add_argument("--seed", type=int, default=15)
    args = parser.parse_args()
    paths = sorted(
        path for path in args.folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg")
    )
    refused = [path for path in paths if decoded(path.read_bytes()) is None]
    print(f"{len(paths)} whole images, {len(refused)} refused {refused[:5] or ''}")
    random.Random(args.seed).shuffle(paths)
    usable = (data for path in paths if scan_of(data := path.read_bytes()))
    files = [data for data, _ in zip(usable, range(args.images), strict=False)]
    for line in rows(files, args.seed):
        print(line, flush=True)
    return int(bool(refused))


if __name__ == "__main__":
    sys.exit(main())
