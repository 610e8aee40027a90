"""One pass of the network over a data set, and the detections it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from mtv_perception.data.sample import Dataset, Sample, sample_image
from mtv_perception.errors import DatasetError
from mtv_perception.metrics.matching import ImageBoxes
from mtv_perception.types import Detections, Result

Perceive = Callable[[np.ndarray], Result]
Transform = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class BoxRecord:
    """The truth of one image and the detections in it.

    Attributes:
        sample: the labelled image.
        detections: in source pixels; only of classes that are boxed in this image.
    """

    sample: Sample
    detections: Detections

    @classmethod
    def of(cls, sample: Sample, detections: Detections) -> BoxRecord:
        """Keep what can be judged: nothing is known of classes without boxes."""
        return cls(sample, detections.select(np.isin(detections.class_ids, sample.box_classes)))


def perceive_all(
    perceive: Perceive,
    dataset: Dataset,
    *,
    transform: Transform | None = None,
    title: str = "",
    quiet: bool = False,
) -> Iterator[tuple[Sample, Result]]:
    """Run the network over a data set, an image at a time, behind a progress bar.

    Args:
        perceive: image `(H, W, 3)` uint8 RGB to Result.
        dataset: the images.
        transform: done to each image first; must keep its size.
        title: shown beside the bar.
        quiet: no bar.

    Raises:
        DatasetError: no image at all, or one that can't be decoded or is not of the size its labels
            are for.
    """
    if not len(dataset):
        raise DatasetError(f"{dataset.name}: expected at least one image, got an empty data set.")
    for index, sample in enumerate(
        tqdm(dataset.samples, desc=title or dataset.name, unit="image", disable=quiet)
    ):
        image = sample_image(sample)
        if image.shape[:2] != sample.size_hw:
            raise DatasetError(
                f"{sample.image_path}: expected size {sample.size_hw}, got {image.shape[:2]}."
            )
        if transform is not None:
            image = transform(image)
        if index == 0:
            perceive(image)  # the first pass allocates; its time is nobody's latency
        yield sample, perceive(image)


def class_images(records: Sequence[BoxRecord], class_id: int) -> list[ImageBoxes]:
    """Truth and detections of one class in every image where it is boxed."""
    images = []
    for record in records:
        if class_id not in record.sample.box_classes:
            continue
        wanted, found = record.sample.class_ids == class_id, record.detections.class_ids == class_id
        images.append(
            ImageBoxes(
                record.sample.boxes_xyxy[wanted],
                record.detections.boxes_xyxy[found],
                record.detections.scores[found],
                record.sample.crowd[wanted],
            )
        )
    return images


def can_judge(sample: Sample) -> bool:
    """Whether a sample's labels give a figure: an object that counts, or labelled pixels of a class."""
    counts = np.isin(sample.class_ids, sample.box_classes) & ~sample.crowd
    masked = sample.mask_path is not None or sample.regions is not None
    return bool(counts.any() or (masked and sample.mask_classes))


def boxed_classes(records: Sequence[BoxRecord]) -> tuple[int, ...]:
    """Ids of the classes boxed in at least one image."""
    return tuple(sorted({class_id for record in records for class_id in record.sample.box_classes}))
