"""Augmented scenes and their targets, a pure function of seed and index."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import numpy as np

from mtv_perception.data.augment import AugmentConfig, augment
from mtv_perception.data.sample import Dataset, Sample
from mtv_perception.data.scene import Scene, make_scene, read_pixels
from mtv_perception.data.targets import TargetEncoder
from mtv_perception.errors import DatasetError

# Between numbers of an epoch that is drawn again; more epochs than any run has.
_REDRAW = 1_000_000_007


@dataclass(frozen=True)
class Mixture:
    """Several data sets drawn together.

    Attributes:
        datasets: what to draw from.
        weights: how many times each passes through in one epoch; fractions take part of it.
    """

    datasets: tuple[Dataset, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.datasets) != len(self.weights) or min(self.weights, default=0) <= 0:
            raise ValueError(f"Expected one positive weight a data set, got {self.weights!r}.")
        if not any(len(dataset) for dataset in self.datasets):
            raise DatasetError("Expected at least one training image, got only empty data sets.")

    @property
    def mean_length(self) -> float:
        """Samples of an epoch in the mean."""
        return sum(len(d) * w for d, w in zip(self.datasets, self.weights, strict=True))

    def epoch(self, seed: int, number: int) -> list[Sample]:
        """The samples of one epoch in their order."""
        rng = np.random.default_rng((seed, number))
        samples: list[Sample] = []
        for dataset, weight in zip(self.datasets, self.weights, strict=True):
            whole, part = divmod(weight, 1)
            samples += list(dataset.samples) * int(whole)
            chosen = rng.permutation(len(dataset))[: _rounded(len(dataset) * part, rng)]
            samples += [dataset.samples[i] for i in chosen]
        return [samples[i] for i in rng.permutation(len(samples))]


def _rounded(count: float, rng: np.random.Generator) -> int:
    """A number down or up, so that the mean of many draws is right: a few images also have their share."""
    return int(count) + int(count % 1 > 0 and rng.random() < count % 1)


Pixels = tuple[np.ndarray, np.ndarray | None]
"""An image and its mask, as `read_pixels` gives them."""


class _RecentPixels:
    """A cache of decoded images that drops the least recently used one; for several threads.

    Args:
        read: gives the pixels of a key.
        limit: bytes of all kept images; one that is larger is read each time.
    """

    def __init__(self, read: Callable[[int], Pixels], limit: int) -> None:
        self._read, self._limit, self._used = read, limit, 0
        self._kept: OrderedDict[int, Pixels] = OrderedDict()
        self._lock = Lock()

    def __call__(self, key: int) -> Pixels:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        pixels = self._read(key)
        with self._lock:
            if key not in self._kept and _bytes_of(pixels) <= self._limit:
                self._kept[key] = pixels
                self._used += _bytes_of(pixels)
            while self._used > self._limit:
                self._used -= _bytes_of(self._kept.popitem(last=False)[1])
        return pixels


def _bytes_of(pixels: Pixels) -> int:
    return sum(array.nbytes for array in pixels if array is not None)


class SceneSource:
    """Draws augmented scenes by index.

    The same seed and index give the same scene, whatever came before.

    Args:
        mixture: where scenes come from.
        size_hw: network input, pixels.
        config: augmentation.
        seed: of everything random.
        cache: bytes of decoded images kept in memory; one of 640x480 with its mask takes 1.2 MB, a
            photograph of 12 megapixels with its mask 48 MB. The default keeps 1200 of the former.
    """

    def __init__(
        self,
        mixture: Mixture,
        size_hw: tuple[int, int],
        config: AugmentConfig,
        seed: int,
        cache: int = 1_500_000_000,
    ) -> None:
        self._mixture, self._size_hw, self._config, self._seed = mixture, size_hw, config, seed
        self._epoch = lru_cache(maxsize=2)(self._drawn)
        # By identity: one image file may stand in several data sets, with other labels in each.
        self._samples = {id(s): s for dataset in mixture.datasets for s in dataset.samples}
        self._pixels = _RecentPixels(lambda key: read_pixels(self._samples[key]), cache)
        self.epoch_length = round(mixture.mean_length)
        if not self.epoch_length:
            raise DatasetError(
                f"Expected an epoch of at least one image, got none with {mixture.weights!r}."
            )

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """Where scenes come from."""
        return self._mixture.datasets

    def _drawn(self, number: int) -> list[Sample]:
        """The samples of an epoch; drawn again where fractions of a few images gave none."""
        redraws = (self._mixture.epoch(self._seed, number + k * _REDRAW) for k in itertools.count())
        return next(samples for samples in redraws if samples)

    def _load(self, sample: Sample) -> Scene:
        return make_scene(sample, *self._pixels(id(sample)))

    def __call__(self, index: int) -> Scene:
        """The scene at a global index (epoch times epoch length plus position)."""
        number, position = divmod(index, self.epoch_length)
        order = self._epoch(number)
        rng = np.random.default_rng((self._seed, 1, index))
        first = [
            order[position % len(order)]
        ]  # An epoch is a little shorter or longer than the mean.

        def draw(generator: np.random.Generator) -> Scene:
            sample = first.pop() if first else order[generator.integers(len(order))]
            return self._load(sample)

        return augment(draw, self._size_hw, self._config, rng)


class ExampleSource:
    """Scenes with their targets by index, as plain arrays.

    Args:
        scenes: where they come from.
        encoder: makes the targets.
    """

    def __init__(self, scenes: SceneSource, encoder: TargetEncoder) -> None:
        self._scenes, self._encoder = scenes, encoder

    def __call__(self, index: int) -> dict[str, np.ndarray]:
        """`images` `(H, W, 3)` uint8 and the fields of Targets."""
        scene = self._scenes(index)
        return {"images": scene.image, **vars(self._encoder(scene, phase=index))}
