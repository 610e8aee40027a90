#!/usr/bin/env python3
"""Mutate images of every format and decode them: none may crash, take long, or need much memory.

    .venv/bin/python tools/attacks/fuzz_images.py --mutations 100000 --seconds 600

Each batch runs in a process of its own, so that a crash of a decoder is seen and counted. The same
seed gives the same mutations. Exit status 1: a crash, an error that is not ImageError, an image
over `--slow` seconds, or a batch over `--memory` MB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import cv2
import numpy as np

from mtv_perception.errors import ImageError
from mtv_perception.media.decode import decode_compressed

_KINDS = (
    (".jpg", ()),
    (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
    (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)),
    (".png", ()),
    (".webp", (cv2.IMWRITE_WEBP_QUALITY, 80)),
    (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)),
    (".bmp", ()),
    (".tiff", ()),
    (".tiff", (cv2.IMWRITE_TIFF_COMPRESSION, 1)),
    (".tiff", (cv2.IMWRITE_TIFF_COMPRESSION, 8)),
    (".gif", ()),
    (".jp2", ()),
    (".ppm", ()),
    (".ppm", (cv2.IMWRITE_PXM_BINARY, 0)),
)
_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 65500, 3000)


def seeds() -> list[bytes]:
    """Small images of every format, grey, in colour and of 16 bits."""
    chance = np.random.default_rng(1)
    colour = cv2.resize(chance.integers(0, 256, (6, 8, 3), np.uint8), (88, 72))
    images = (colour, colour[..., 0], colour.astype(np.uint16) << 4)
    found = []
    for suffix, options in _KINDS:
        for image in images:
            if image.dtype == np.uint8 or suffix in (".png", ".tiff", ".ppm", ".jp2"):
                good, data = cv2.imencode(suffix, image, options)
                if good:  # Not every format holds 16 bits in every version of OpenCV.
                    found.append(data.tobytes())
    return found


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to six edits; numbers of headers are set to remarkable values.

    PNG checksums are repaired.
    """
    edited = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = min(chance.randrange(len(edited) or 1), chance.choice((60, len(edited))))
        kind = chance.randrange(7)
        if kind == 0:
            del edited[at : at + chance.choice((1, 4, 64, 512))]
        elif kind == 1:
            edited[at:at] = edited[at : at + chance.choice((1, 16, 300))]
        elif kind == 2:
            form = chance.choice((">H", "<H", ">I", "<I"))
            number = chance.choice(_NUMBERS) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF)
            edited[at : at + struct.calcsize(form)] = struct.pack(form, number)
        elif kind == 3:
            edited[at : at + chance.randrange(1, 400)] = bytes(chance.choice((b"\0", b"\xff")))
        elif edited:
            edited[at % len(edited)] = chance.randrange(256)
    return repaired(bytes(edited)) if chance.random() < 0.7 else bytes(edited)


def repaired(data: bytes) -> bytes:
    """A PNG with the checksums of its chunks made right again: the decoder behind them is meant."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    fixed, at = bytearray(data), 8
    while at + 12 <= len(fixed):
        end = at + 12 + struct.unpack_from(">I", fixed, at)[0]
        if end > len(fixed):
            break
        fixed[end - 4 : end] = struct.pack(">I", zlib.crc32(fixed[at + 4 : end - 4]))
        at = end
    return bytes(fixed)


def batch(seed: int, count: int, extra: Sequence[bytes]) -> dict[str, float]:
    """Decode some mutations; in a process of its own."""
    chance, images = random.Random(seed), [*seeds(), *extra]
    tally: Counter[str] = Counter()
    slowest = 0.0
    for _ in range(count):
        data = mutated(chance.choice(images), chance)
        begun = time.process_time()
        try:
            decode_compressed(data)
            tally["decoded"] += 1
        except ImageError:
            tally["refused"] += 1
        except Exception as error:
            tally[f"error {type(error).__name__}: {error}"] += 1
        slowest = max(slowest, time.process_time() - begun)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**tally, "slowest_s": slowest, "memory_mb": memory}


def run(args: argparse.Namespace, extra: Sequence[bytes]) -> tuple[Counter[str], float, float]:
    """All batches until the number or the time is reached: tally, slowest and largest."""
    total: Counter[str] = Counter()
    slowest = memory = 0.0
    begun, context = time.monotonic(), multiprocessing.get_context("spawn")
    for number in range(-(-args.mutations // args.batch)):
        if time.monotonic() - begun > args.seconds:
            break
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            try:
                found = pool.submit(batch, args.seed + number, args.batch, extra).result()
            except BrokenProcessPool:
                total["crashes"] += 1
                print(f"crash in the batch of seed {args.seed + number}", flush=True)
                continue
        slowest = max(slowest, found.pop("slowest_s"))
        memory = max(memory, found.pop("memory_mb"))
        total.update({name: int(count) for name, count in found.items()})
    return total, slowest, memory


def main() -> int:
    """Fuzz and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=5_000, help="mutations a process")
    parser.add_argument("--seconds", type=float, default=600.0, help="begin no batch after this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, help="folder of further images to mutate")
    parser.add_argument("--slow", type=float, default=1.0, help="CPU seconds for one image")
    parser.add_argument("--memory", type=float, default=700.0, help="MB of a process")
    args = parser.parse_args()
    extra = [path.read_bytes() for path in sorted(args.corpus.iterdir())] if args.corpus else []
    total, slowest, memory = run(args, extra)
    done = total["decoded"] + total["refused"]
    print(f"{done} mutations: {dict(total)}; slowest {slowest:.2f} s; most memory {memory:.0f} MB")
    bad = {name for name in total if name.startswith(("error", "crashes"))}
    return int(bool(bad) or slowest > args.slow or memory > args.memory)


if __name__ == "__main__":
    sys.exit(main())
