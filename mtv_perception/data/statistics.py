"""What a data set holds: instances, box sizes, pixels, class weights, and how default boxes fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtv_perception.data.sample import Dataset, Sample, sample_mask
from mtv_perception.geometry.boxes import box_areas
from mtv_perception.geometry.default_boxes import DefaultBoxSpec
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.labels import UNLABELED_ID, LabelSet

COVERED_IOU = 0.5


@dataclass(frozen=True)
class Spread:
    """Percentiles of a quantity."""

    p5: float
    p25: float
    p50: float
    p75: float
    p95: float


@dataclass(frozen=True)
class DatasetShare:
    """One data set's share.

    Attributes:
        name: of the data set.
        images: how many.
        masks: images with labelled pixels.
        objects: boxes, crowds apart.
    """

    name: str
    images: int
    masks: int
    objects: int


@dataclass(frozen=True)
class ClassStatistics:
    """One class, the background included.

    Attributes:
        name: of the class.
        images: images with at least one box.
        instances: boxes, crowds apart.
        crowds: crowd boxes.
        size_px: square root of the box area in network pixels; None without boxes.
        aspect_ratio: width over height in network pixels; None without boxes.
        pixel_images: images with at least one pixel.
        pixel_share: part of all labelled pixels, 0..1; None without masks.
        weight: suggested weight in the segmentation loss; None without pixels. See class_weights.
    """

    name: str
    images: int
    instances: int
    crowds: int
    size_px: Spread | None
    aspect_ratio: Spread | None
    pixel_images: int
    pixel_share: float | None
    weight: float | None


@dataclass(frozen=True)
class Clusters:
    """Default box shapes that fit the boxes best.

    Attributes:
        shapes_wh: width and height, network pixels, smallest first.
        mean_best_iou: of every box with its best shape, both centred on one point.
    """

    shapes_wh: tuple[tuple[float, float], ...]
    mean_best_iou: float


@dataclass(frozen=True)
class Coverage:
    """How well the default boxes of a network cover the boxes.

    Attributes:
        recall: part of the boxes with a default box of IoU >= `iou`, where it stands.
        mean_best_iou: of every box with its best default box.
        iou: the threshold.
    """

    recall: float
    mean_best_iou: float
    iou: float = COVERED_IOU


@dataclass(frozen=True)
class DatasetStatistics:
    """All figures of one or more data sets.

    Attributes:
        size_hw: network size that boxes are measured at, pixels.
        sources: the data sets.
        classes: by class id.
        unlabelled_share: part of the masks' pixels to be ignored, 0..1; None without masks.
        clusters: suggested default box shapes; None without boxes.
        coverage: of the given default boxes; None without boxes or without default boxes.
    """

    size_hw: tuple[int, int]
    sources: tuple[DatasetShare, ...]
    classes: tuple[ClassStatistics, ...]
    unlabelled_share: float | None
    clusters: Clusters | None
    coverage: Coverage | None


def describe(
    datasets: Sequence[Dataset],
    labels: LabelSet,
    size_hw: tuple[int, int],
    default_boxes: DefaultBoxSpec | None = None,
    cluster_count: int = 9,
) -> DatasetStatistics:
    """The statistics of data sets taken together.

    Args:
        datasets: at least one, all with the class ids of `labels`.
        labels: the classes.
        size_hw: network input that images are letterboxed into, pixels.
        default_boxes: of the network to be trained, at this size.
        cluster_count: number of box shapes to suggest.
    """
    samples = [sample for dataset in datasets for sample in dataset.samples]
    boxes, class_ids, crowd, owners = _all_boxes(samples, size_hw)
    pixels = count_pixels(samples)
    labelled = pixels[:, : len(labels)]
    weights = class_weights(labelled)
    classes = []
    for class_id, name in enumerate(labels.names):
        own = class_ids == class_id
        sides = boxes[own & ~crowd, 2:] - boxes[own & ~crowd, :2]
        classes.append(
            ClassStatistics(
                name=name,
                images=len(np.unique(owners[own & ~crowd])),
                instances=len(sides),
                crowds=int((own & crowd).sum()),
                size_px=spread(np.sqrt(sides.prod(1))),
                aspect_ratio=spread(sides[:, 0] / sides[:, 1]),
                pixel_images=int((labelled[:, class_id] > 0).sum()),
                pixel_share=_share(labelled[:, class_id], labelled),
                weight=weights[class_id],
            )
        )
    objects = boxes[~crowd]
    return DatasetStatistics(
        size_hw=size_hw,
        sources=tuple(_source(dataset) for dataset in datasets),
        classes=tuple(classes),
        unlabelled_share=_share(pixels[:, UNLABELED_ID], pixels),
        clusters=cluster_shapes(objects[:, 2:] - objects[:, :2], cluster_count)
        if len(objects)
        else None,
        coverage=coverage(objects, default_boxes) if len(objects) and default_boxes else None,
    )


def _all_boxes(
    samples: Sequence[Sample], size_hw: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Boxes `(N, 4)` in network pixels, class ids.

    Crowd and index of the sample `(N,)` of all samples.
    """
    boxes = np.concatenate(
        [np.empty((0, 4)), *(network_boxes(sample, size_hw) for sample in samples)]
    )
    class_ids = np.concatenate([np.empty(0, np.int32), *(sample.class_ids for sample in samples)])
    crowd = np.concatenate([np.empty(0, bool), *(sample.crowd for sample in samples)])
    owners = np.repeat(np.arange(len(samples)), [len(sample.class_ids) for sample in samples])
    return boxes, class_ids, crowd, owners


def network_boxes(sample: Sample, size_hw: tuple[int, int]) -> np.ndarray:
    """A sample's boxes `(N, 4)` float64, corners in network pixels."""
    placed = Letterbox.fit(sample.size_hw, size_hw, stride=1)  # No mask is made here.
    return placed.boxes_to_network(sample.boxes_xyxy.astype(np.float64))


def _source(dataset: Dataset) -> DatasetShare:
    samples = dataset.samples
    masks = sum(sample.mask_path is not None or sample.regions is not None for sample in samples)
    return DatasetShare(
        dataset.name, len(samples), masks, sum(int((~sample.crowd).sum()) for sample in samples)
    )


def spread(values: np.ndarray) -> Spread | None:
    """The percentiles of `(N,)` values; None where there is none."""
    return Spread(*map(float, np.percentile(values, (5, 25, 50, 75, 95)))) if len(values) else None


def _share(part: np.ndarray, whole: np.ndarray) -> float | None:
    total = int(whole.sum())
    return float(part.sum() / total) if total else None


def count_pixels(samples: Sequence[Sample]) -> np.ndarray:
    """Pixels of each mask value in each image with a mask, `(M, 256)` int64."""
    masks = (sample_mask(sample) for sample in samples)
    counts = [np.bincount(mask.ravel(), minlength=256) for mask in masks if mask is not None]
    return np.array(counts, np.int64).reshape(-1, 256)


def class_weights(pixels: np.ndarray) -> tuple[float | None, ...]:
    """Median-frequency balancing: weight(c) = median of all freq / freq(c).

    freq(c) is the number of pixels of class c divided by the number of labelled pixels in the
    images that show c.

    Args:
        pixels: `(M, C)` labelled pixels by image and class.

    Returns:
        A weight for each class, None for one without pixels.

    Source: Eigen & Fergus 2015, "Predicting Depth, Surface Normals and Semantic Labels with a
    Common
        Multi-Scale
    Convolutional Architecture".
    """
    own = pixels.sum(0)
    around = ((pixels > 0) * pixels.sum(1, keepdims=True)).sum(0)
    frequencies = np.divide(own, around, out=np.zeros(len(own)), where=around > 0)
    middle = np.median(frequencies[own > 0]) if own.any() else 0.0
    return tuple(float(middle / frequency) if frequency > 0 else None for frequency in frequencies)


def shape_iou(a_wh: np.ndarray, b_wh: np.ndarray) -> np.ndarray:
    """IoU of boxes on one centre, `(N, 2)` and `(K, 2)` widths and heights to `(N, K)`."""
    shared = np.minimum(a_wh[:, None], b_wh[None]).prod(-1)
    return np.asarray(shared / (a_wh.prod(-1)[:, None] + b_wh.prod(-1)[None] - shared))


def cluster_shapes(shapes_wh: np.ndarray, count: int, rounds: int = 300, seed: int = 0) -> Clusters:
    """Box shapes by k-means under the distance 1 - IoU.

    Args:
        shapes_wh: `(N, 2)` widths and heights, N >= 1.
        count: clusters wanted; fewer come back where fewer shapes differ.
        rounds: at most.
        seed: of the first centres, which are drawn as k-means++ does (Arthur & Vassilvitskii 2007).

    Source: Redmon & Farhadi 2017, "YOLO9000: Better, Faster, Stronger", section 2, "Dimension
    Clusters".
    """
    if count < 1 or len(shapes_wh) < 1:
        raise ValueError(
            f"Expected at least one cluster and one shape, got {count!r} and {len(shapes_wh)}."
        )
    centres = _first_centres(shapes_wh, min(count, len(np.unique(shapes_wh, axis=0))), seed)
    nearest = np.full(len(shapes_wh), -1)
    for _ in range(rounds):
        previous, nearest = nearest, shape_iou(shapes_wh, centres).argmax(1)
        if (nearest == previous).all():
            break
        for index in np.unique(nearest):
            centres[index] = shapes_wh[nearest == index].mean(0)
    centres = centres[np.argsort(centres.prod(1), kind="stable")]
    best = shape_iou(shapes_wh, centres).max(1)
    return Clusters(
        tuple((float(width), float(height)) for width, height in centres), float(best.mean())
    )


def _first_centres(shapes_wh: np.ndarray, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = shapes_wh[[rng.integers(len(shapes_wh))]].astype(np.float64)
    while len(centres) < count:
        distance = np.clip(1 - shape_iou(shapes_wh, centres).max(1), 0, None) ** 2
        if not distance.sum():
            break
        chosen = rng.choice(len(shapes_wh), p=distance / distance.sum())
        centres = np.concatenate([centres, shapes_wh[[chosen]]])
    return centres


def coverage(boxes_xyxy: np.ndarray, default_boxes: DefaultBoxSpec) -> Coverage:
    """How well default boxes cover boxes `(N, 4)`, N >= 1, corners in network pixels."""
    best = best_default_iou(boxes_xyxy, default_boxes)
    return Coverage(float((best >= COVERED_IOU).mean()), float(best.mean()))


def best_default_iou(boxes_xyxy: np.ndarray, default_boxes: DefaultBoxSpec) -> np.ndarray:
    """IoU of each box `(N, 4)` with its best default box, `(N,)`.

    For a given shape, overlap only falls with the distance of the centres along either axis, so
    that the grid point nearest to the box's centre is the best one and no other needs to be looked
    at.
    """
    best, start = np.zeros(len(boxes_xyxy)), 0
    everything = default_boxes.boxes_xyxy().astype(np.float64)
    middle = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    for item in default_boxes.maps:
        rows, columns = item.grid_hw
        stop = start + rows * columns * item.boxes_per_point
        grid = everything[start:stop].reshape(rows, columns, item.boxes_per_point, 4)
        start = stop
        centres = (grid[:, :, 0, :2] + grid[:, :, 0, 2:]) / 2
        column = np.abs(centres[0, :, 0] - middle[:, :1]).argmin(1)
        row = np.abs(centres[:, 0, 1] - middle[:, 1:]).argmin(1)
        best = np.maximum(best, _matched_iou(boxes_xyxy[:, None], grid[row, column]).max(1))
    return best


def _matched_iou(a_xyxy: np.ndarray, b_xyxy: np.ndarray) -> np.ndarray:
    """IoU of boxes `(..., 4)` that broadcast against each other."""
    sides = np.minimum(a_xyxy[..., 2:], b_xyxy[..., 2:]) - np.maximum(
        a_xyxy[..., :2], b_xyxy[..., :2]
    )
    shared = np.maximum(sides, 0).prod(-1)
    return np.asarray(shared / (box_areas(a_xyxy) + box_areas(b_xyxy) - shared))
