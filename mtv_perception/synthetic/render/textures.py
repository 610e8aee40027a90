"""Procedural textures: an array of tileable layers for each split.

Painted from a seed of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
SIZE = 256
POOL_SEEDS = {"train": 71, "heldout": 9043}


@dataclass(frozen=True)
class TexturePool:
    """All texture layers of a split.

    Attributes:
        pixels: (L, SIZE, SIZE, 3) uint8 RGB; layer 0 is neutral fractal noise, layer 1 a smoother
            one.
        groups: layer indices by name of the painter.
    """

    pixels: NDArray[np.uint8]
    groups: dict[str, list[int]]

    def pick(self, group: str, rng: np.random.Generator) -> int:
        """A random layer of a group."""
        return int(rng.choice(self.groups[group]))


def fractal_noise(rng: np.random.Generator, size: int = SIZE, falloff: float = 1.6) -> Image:
    """Tileable noise (size, size) in [0, 1] with a power-law spectrum."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None]) * size
    spectrum = (
        np.fft.fft2(rng.standard_normal((size, size))) / np.maximum(frequency, 1.0) ** falloff
    )
    spectrum[0, 0] = 0
    field = np.fft.ifft2(spectrum).real
    return np.clip(0.5 + field / (5.0 * field.std()), 0, 1).astype(np.float32)


def _flat(rgb: tuple[float, float, float] | float = 1.0) -> Image:
    return np.ones((SIZE, SIZE, 3), np.float32) * np.asarray(rgb, np.float32)


def _grain(rng: np.random.Generator, amount: float, falloff: float = 1.2) -> Image:
    return (1 + amount * (fractal_noise(rng, falloff=falloff) - 0.5))[..., None]


def _text(
    image: Image,
    rng: np.random.Generator,
    box: tuple[int, int, int, int],
    ink: tuple[float, float, float],
) -> None:
    """Writes a made-up word into x, y, width, height."""
    word = "".join(rng.choice(list("ABCDEHIKLMNORSTUVXYZ0127"), rng.integers(3, 8)))
    x, y, width, height = box
    font = int(
        rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX])
    )
    canvas = np.zeros((64, 40 * len(word), 3), np.uint8)
    cv2.putText(
        canvas, word, (4, 52), font, 1.8, (255, 255, 255), int(rng.integers(3, 8)), cv2.LINE_AA
    )
    columns = np.flatnonzero(canvas.any(axis=(0, 2)))
    canvas = canvas[:, : columns.max() + 3] if len(columns) else canvas
    alpha = (
        cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    )
    region = image[y : y + height, x : x + width]
    region[:] = region * (1 - alpha) + np.asarray(ink, np.float32) * alpha


def cardboard(rng: np.random.Generator) -> Image:
    """Cartons with tape, labels and print."""
    base = _flat(
        (
            0.80 + rng.uniform(-0.08, 0.08),
            0.66 + rng.uniform(-0.06, 0.06),
            0.50 + rng.uniform(-0.06, 0.06),
        )
    ) * _grain(rng, 0.25)
    base *= (1 + 0.03 * np.sin(np.arange(SIZE) * 0.9))[None, :, None]
    if rng.random() < 0.75:
        tape = int(rng.integers(10, 26))
        middle = SIZE // 2
        base[middle - tape : middle + tape] = base[middle - tape : middle + tape] * 0.65 + np.array(
            [0.3, 0.24, 0.15]
        ) * rng.uniform(0.6, 1.2)
    if rng.random() < 0.6:
        x, y = (int(v) for v in rng.integers(20, 150, 2))
        base[y : y + 50, x : x + 76] = 0.93
        for k in range(x + 6, x + 68, 4):
            base[y + 8 : y + 26, k : k + int(rng.integers(1, 4))] = 0.08
        base[y + 32 : y + 36, x + 8 : x + 60] = 0.25
    if rng.random() < 0.6:
        _text(base, rng, (20, int(rng.integers(150, 190)), 180, 46), (0.15, 0.12, 0.1))
    return base


def planks(rng: np.random.Generator) -> Image:
    """Rough wood."""
    tone = np.array([0.66, 0.52, 0.36]) * rng.uniform(0.75, 1.15)
    stretched = cv2.resize(fractal_noise(rng, falloff=1.0)[:32], (SIZE, SIZE))
    return _flat(tuple(tone)) * (0.7 + 0.6 * stretched[..., None]) * _grain(rng, 0.5)


def brushed(rng: np.random.Generator) -> Image:
    """Brushed metal."""
    lines = cv2.GaussianBlur(
        rng.random((SIZE, SIZE)).astype(np.float32), (0, 0), sigmaX=0.6, sigmaY=14
    )
    lines = (lines - lines.mean()) / lines.std()
    return _flat(0.85) * (1 + 0.08 * lines[..., None]) * _grain(rng, 0.4, 1.5)


def rust(rng: np.random.Generator) -> Image:
    """Bare metal with rust."""
    spots = np.clip((fractal_noise(rng, falloff=1.3) - 0.42) * 5, 0, 1)[..., None]
    bare, brown = _flat((0.62, 0.6, 0.58)), _flat((0.45, 0.26, 0.14))
    return np.asarray(bare * (1 - spots) + brown * spots * _grain(rng, 0.8), np.float32)


def corrugated(rng: np.random.Generator) -> Image:
    """Ribbed sheet."""
    ribs = int(rng.choice([4, 6, 8, 12]))
    wave = np.sin(np.arange(SIZE) / SIZE * 2 * np.pi * ribs)
    shade = 0.85 + 0.14 * np.tanh(wave * rng.uniform(1, 3))
    ribbed = _flat(1.0) * (shade[None, :, None] if rng.random() < 0.6 else shade[:, None, None])
    return np.asarray(ribbed * _grain(rng, 0.2, 1.8), np.float32)


def masonry(rng: np.random.Generator) -> Image:
    """Blocks or bricks."""
    rows = int(rng.choice([4, 6, 8]))
    height, width = SIZE // rows, SIZE // int(rng.choice([2, 3, 4]))
    image = _flat(0.9)
    joint = rng.uniform(0.55, 1.05)
    for r in range(rows):
        for c in range(-1, SIZE // width + 1):
            x = c * width + (r % 2) * width // 2
            image[r * height : (r + 1) * height, max(x, 0) : max(x + width, 0)] = rng.uniform(
                0.78, 1.0
            )
            image[r * height : (r + 1) * height, max(x, 0) : max(x + 3, 0)] = joint * 0.8
        image[r * height : r * height + 3] = joint * 0.8
    return image * _grain(rng, 0.3)


def poster(rng: np.random.Generator) -> Image:
    """Prints, some with a figure."""
    image = _flat(tuple(rng.uniform(0.2, 1, 3)))
    for _ in range(int(rng.integers(1, 4))):
        x, y, w, h = (int(v) for v in rng.integers([0, 0, 30, 30], [150, 150, 200, 180]))
        cv2.rectangle(
            image, (x, y), (x + w, y + h), tuple(float(v) for v in rng.uniform(0, 1, 3)), -1
        )
    if rng.random() < 0.7:
        tone = tuple(float(v) for v in rng.uniform(0, 1, 3))
        x, y = (int(v) for v in rng.integers(70, 180, 2))
        cv2.circle(image, (x, y - 40), 20, tone, -1)
        cv2.ellipse(image, (x, y + 30), (30, 48), 0, 0, 360, tone, -1)
    ink = float(rng.choice([0.05, 0.95]))
    _text(image, rng, (18, 16, 210, 50), (ink, ink, ink))
    return image * _grain(rng, 0.1)


def label(rng: np.random.Generator) -> Image:
    """A made-up brand."""
    dark, light = rng.uniform(0, 0.25, 3), rng.uniform(0.75, 1, 3)
    paper, ink = (light, dark) if rng.random() < 0.5 else (dark, light)
    image = _flat(tuple(paper))
    _text(image, rng, (16, 70, 224, 116), tuple(ink))
    return image


def hazard(rng: np.random.Generator) -> Image:
    """Diagonal stripes."""
    y, x = np.mgrid[:SIZE, :SIZE]
    stripe = ((x + y * rng.choice([-1, 1])) // (SIZE // int(rng.choice([2, 4])) // 2) % 2).astype(
        np.float32
    )[..., None]
    first = np.array(((0.95, 0.78, 0.05), (0.85, 0.1, 0.08))[int(rng.random() < 0.25)])
    second = np.array([0.06, 0.06, 0.06]) if first[1] > 0.3 else np.array([0.92, 0.92, 0.92])
    return (first * stripe + second * (1 - stripe)).astype(np.float32) * _grain(rng, 0.2)


def vest(rng: np.random.Generator) -> Image:
    """Hi-vis fabric with bands."""
    color = np.array(
        ((0.82, 0.95, 0.1), (1.0, 0.42, 0.06), (0.95, 0.85, 0.1))[int(rng.integers(3))]
    ) * rng.uniform(0.85, 1.0)
    image = _flat(tuple(color)) * _grain(rng, 0.25)
    band, silver = int(rng.integers(14, 24)), 0.78
    for y in ([60, 120], [90], [50, 140])[int(rng.integers(3))]:
        image[y - 4 : y + band + 4] = (
            np.array([1.0, 0.45, 0.05]) if rng.random() < 0.4 else color * 0.9
        )
        image[y : y + band] = silver
    if rng.random() < 0.7:
        for x in (40, 88, 168, 216):
            image[120:, x : x + 12] = silver
    image[:, 62:65] *= 0.6
    return image


def garment(rng: np.random.Generator) -> Image:
    """Plain, checked, striped or printed cloth."""
    style = int(rng.integers(5))
    image = _flat(1.0)
    if style == 1:
        image[:: int(rng.integers(10, 30))] *= rng.uniform(0.3, 0.8)
        image[:, :: int(rng.integers(10, 30))] *= rng.uniform(0.3, 0.8)
        image = cv2.blur(image, (7, 7))
    if style == 2:
        image[(np.arange(SIZE) // int(rng.integers(8, 24))) % 2 == 0] *= rng.uniform(0.4, 0.8)
    if style == 3:
        image[:, 60:66] *= 0.5
        _text(image, rng, (30, 150, 70, 26), (0.3, 0.3, 0.3))
    folds = cv2.resize(fractal_noise(rng, falloff=1.5)[:, :96], (SIZE, SIZE))
    return image * (0.82 + 0.32 * folds[..., None])


def denim(rng: np.random.Generator) -> Image:
    """Trousers."""
    folds = cv2.resize(fractal_noise(rng, falloff=1.6)[:, :96], (SIZE, SIZE))
    weave = 1 + 0.06 * rng.standard_normal((SIZE, SIZE, 1)).astype(np.float32)
    return _flat(0.9) * (0.88 + 0.2 * folds[..., None]) * weave


def mesh_grid(rng: np.random.Generator) -> Image:
    """A grate."""
    image = _flat(0.08)
    step = int(rng.choice([16, 32]))
    for k in range(0, SIZE, step):
        image[k : k + step // 3] = image[:, k : k + step // 3] = 0.6
    return image * _grain(rng, 0.5)


def wrap(rng: np.random.Generator) -> Image:
    """Goods in stretch film: pale streaks over stacked colours."""
    tone = rng.uniform(0.4, 0.95, (8, 1, 1)) * np.array([1.0, 0.93, 0.85]) + rng.normal(
        0, 0.05, (8, 1, 3)
    )
    rows = np.repeat(tone, SIZE // 8, axis=0) * np.ones((1, SIZE, 1))
    columns = np.repeat(rng.uniform(0.85, 1.1, (1, 8, 1)), SIZE // 8, axis=1)
    streaks = cv2.GaussianBlur(
        rng.random((SIZE, SIZE)).astype(np.float32), (0, 0), sigmaX=20, sigmaY=1.2
    )
    film = np.clip((streaks - streaks.mean()) / streaks.std() * 0.14 + 0.3, 0, 0.8)[..., None]
    return (rows * columns).astype(np.float32) * (1 - film) + 0.9 * film


def horizon(rng: np.random.Generator) -> Image:
    """Sky above a line of trees and roofs; the texture's lower edge is the ground."""
    height = np.linspace(1, 0, SIZE)[:, None, None]
    clear = rng.random() < 0.6
    zenith = np.array([0.35, 0.55, 0.9] if clear else [0.75, 0.78, 0.82])
    image = (zenith * height + np.array([0.85, 0.9, 0.95]) * (1 - height)) * np.ones((1, SIZE, 1))
    cloud = np.clip((fractal_noise(rng, falloff=1.7) - 0.5) * rng.uniform(1.5, 4), 0, 1)[..., None]
    image = image * (1 - cloud) + 0.95 * cloud
    ridge = (fractal_noise(rng, falloff=1.1)[0] * rng.uniform(30, 90)).astype(int)
    leaves = 0.5 + fractal_noise(rng, falloff=0.9)[..., None]
    green = np.array([0.22, 0.30, 0.14]) * rng.uniform(0.6, 1.2) * leaves
    trees = np.arange(SIZE)[:, None] > SIZE - ridge[None]
    image[trees] = green[trees]
    for _ in range(int(rng.integers(0, 5))):
        x, w, h = (int(v) for v in rng.integers([0, 20, 15], [230, 90, 60]))
        image[SIZE - h :, x : x + w] = rng.uniform(0.3, 0.8) + rng.normal(0, 0.05, 3)
        image[SIZE - h + 6 : SIZE - 4 : 12, x + 4 : x + w - 4 : 7] *= 0.5
    return np.asarray(image, np.float32)


PAINTERS: dict[str, tuple[Callable[[np.random.Generator], Image], int]] = {
    "cardboard": (cardboard, 8),
    "planks": (planks, 3),
    "brushed": (brushed, 3),
    "rust": (rust, 3),
    "corrugated": (corrugated, 4),
    "masonry": (masonry, 3),
    "poster": (poster, 6),
    "label": (label, 6),
    "hazard": (hazard, 3),
    "vest": (vest, 6),
    "garment": (garment, 8),
    "denim": (denim, 4),
    "grid": (mesh_grid, 2),
    "wrap": (wrap, 4),
    "horizon": (horizon, 5),
}


@cache
def make_pool(split: str) -> TexturePool:
    """Paints the layers of a split; about half a second."""
    if split not in POOL_SEEDS:
        raise ValueError(f"Expected a split of {sorted(POOL_SEEDS)}, got {split!r}.")
    rng = np.random.default_rng(POOL_SEEDS[split])
    layers = [
        np.repeat(fractal_noise(rng, falloff=falloff)[..., None], 3, axis=2)
        for falloff in (1.25, 2.6)
    ]
    groups: dict[str, list[int]] = {}
    for name, (paint, count) in PAINTERS.items():
        groups[name] = list(range(len(layers), len(layers) + count))
        layers += [paint(rng) for _ in range(count)]
    return TexturePool((np.clip(np.stack(layers), 0, 1) * 255).astype(np.uint8), groups)
