"""Writes a synthetic data set; image i depends only on the options, the seed and i."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from mtv_perception.media.write import write_image
from mtv_perception.processes import process_pool
from mtv_perception.resources import write_whole
from mtv_perception.synthetic.people.cutouts import load_cutouts
from mtv_perception.synthetic.render.textures import POOL_SEEDS
from mtv_perception.synthetic.scene.annotate import CATEGORIES
from mtv_perception.synthetic.scene.studio import Studio

VERSION = 1
JPEG_QUALITY = 90


# The options that a folder was made with.
_RECORD = "synth.json"


@dataclass(frozen=True)
class _Job:
    """What every image of a set depends on, and where it goes."""

    out_dir: Path
    seed: int
    split: str
    size_hw: tuple[int, int]
    cutouts: Path | None
    keep: list[str] | None

    def record(self) -> dict[str, Any]:
        """What synth.json holds."""
        return {
            "version": VERSION,
            "seed": self.seed,
            "split": self.split,
            "size_hw": list(self.size_hw),
            "cutouts": None if self.cutouts is None else str(self.cutouts),
            "keep_cutouts": self.keep,
        }


_worker: tuple[Studio, _Job] | None = None


def _start_worker(job: _Job, threads: int) -> None:
    global _worker
    cv2.setNumThreads(threads)
    people = None if job.cutouts is None else load_cutouts(job.cutouts, job.keep)
    _worker = (Studio(job.split, job.size_hw, people, threads), job)


def _make_one(index: int) -> int:
    if _worker is None:
        raise RuntimeError("Expected _start_worker to have run in this process.")
    studio, job = _worker
    sample, out = studio.shoot(job.seed, index), job.out_dir
    stem = f"{index:06d}"
    write_image(out / "images" / f"{stem}.jpg", sample.rgb, JPEG_QUALITY)
    write_image(out / "masks" / f"{stem}.png", sample.mask)
    part = out / "parts" / f"{stem}.json"
    write_whole(part, json.dumps(sample.annotations))
    return index


def generate(
    out_dir: Path,
    count: int,
    seed: int,
    split: str = "train",
    cutouts: Path | None = None,
    workers: int = 1,
    size_hw: tuple[int, int] = (480, 640),
    keep_cutouts: list[str] | None = None,
) -> None:
    """Writes `images/`, `masks/`, `annotations.json` (COCO) and `classes.txt` into out_dir.

    Images that an earlier run with the same options finished are kept; a larger count extends the
    set.

    Args:
        out_dir: created if absent.
        count: images in the finished set.
        seed: of all randomness.
        split: "train" or "heldout": disjoint asset pools.
        cutouts: data set with person masks whose people are pasted in, or None.
        workers: processes.
        size_hw: height and width of the images, pixels.
        keep_cutouts: file names of `cutouts` that may be used, None for all.

    Raises:
        ValueError: for a bad argument, or if out_dir holds a set made with other options.
        RendererUnavailable: without OpenGL over EGL.
    """
    _check(count, seed, split, workers, size_hw)
    keep = None if keep_cutouts is None else sorted(keep_cutouts)
    job = _Job(out_dir, seed, split, size_hw, cutouts, keep)
    if out_dir.is_dir() and any(out_dir.iterdir()) and not (out_dir / _RECORD).is_file():
        raise ValueError(
            f"{out_dir}: expected a new folder or one of `mtv synth`, found other files; choose another."
        )
    for folder in ("images", "masks", "parts"):
        (out_dir / folder).mkdir(parents=True, exist_ok=True)
    _check_options(out_dir, job.record())
    missing = [i for i in range(count) if not (out_dir / "parts" / f"{i:06d}.json").is_file()]
    done = count - len(missing)
    for _ in tqdm(_run(job, missing, workers), f"synth {split}", count, initial=done, unit="image"):
        pass
    _write_index(out_dir, count, size_hw)


def _check(count: int, seed: int, split: str, workers: int, size_hw: tuple[int, int]) -> None:
    if split not in POOL_SEEDS:
        raise ValueError(f"Expected a split of {sorted(POOL_SEEDS)}, got {split!r}.")
    for name, value, low in (
        ("count", count, 1),
        ("seed", seed, 0),
        ("workers", workers, 1),
        ("height", size_hw[0], 32),
        ("width", size_hw[1], 32),
    ):
        if value < low:
            raise ValueError(f"Expected {name} of at least {low}, got {value!r}.")


def _check_options(out_dir: Path, options: dict[str, Any]) -> None:
    record = out_dir / _RECORD
    if record.is_file():
        before = json.loads(record.read_text())
        if before != options:
            changed = sorted(k for k in options if before.get(k) != options[k])
            raise ValueError(
                f"Expected the options that {str(out_dir)!r} was made with, "
                f"got another {', '.join(changed)}: choose an empty folder."
            )
    write_whole(record, json.dumps(options, indent=1))


def _run(job: _Job, indices: list[int], workers: int) -> Iterator[int]:
    if not indices:
        return
    if workers == 1:
        _start_worker(job, 2)
        try:
            for index in indices:
                yield _make_one(index)
        finally:
            if _worker is not None:
                _worker[0].close()
        return
    with process_pool(workers, _start_worker, job, 1) as pool:
        yield from pool.map(_make_one, indices, chunksize=4)


def _write_index(out_dir: Path, count: int, size_hw: tuple[int, int]) -> None:
    images: list[dict[str, Any]] = []
    items: list[dict[str, Any]] = []
    for i in range(count):
        images.append(
            {"id": i + 1, "file_name": f"{i:06d}.jpg", "height": size_hw[0], "width": size_hw[1]}
        )
        for item in json.loads((out_dir / "parts" / f"{i:06d}.json").read_text()):
            items.append({"id": len(items) + 1, "image_id": i + 1, **item})
    info = {
        "description": "Synthetic warehouse images; boxes are visible extents, masks hold class ids.",
        "mask_255": "ignore",
    }
    index = {"info": info, "images": images, "annotations": items, "categories": CATEGORIES}
    write_whole(out_dir / "annotations.json", json.dumps(index))
    # What mask values mean, for readers with other classes.
    names = ("background", *(str(category["name"]) for category in CATEGORIES))
    write_whole(out_dir / "classes.txt", "\n".join(names) + "\n")
