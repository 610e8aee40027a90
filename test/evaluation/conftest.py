"""A small labelled data set on disk and a perceiver that answers from its labels."""

import cv2
import numpy as np
import pytest

from mtv_perception.data.sample import Dataset, Sample, read_mask
from mtv_perception.labels import WAREHOUSE
from mtv_perception.types import Detections, Result, Segmentation, Timing

SIZE_HW = (120, 160)
# The image's number is in every pixel's red value, so that a perceiver can tell which image it is
# shown.
NUMBER_STEP = 20


def _sample(folder, number, rng):
    boxes, class_ids, mask = [], [], np.zeros(SIZE_HW, np.uint8)
    for class_id in range(1, 1 + rng.integers(0, 4)) if number else (1, 2, 3):
        x0, y0 = 2 + 50 * (class_id - 1), int(rng.integers(2, 20))
        x1, y1 = x0 + int(rng.integers(20, 46)), y0 + int(rng.integers(40, 90))
        mask[y0:y1, x0:x1] = class_id
        boxes.append((x0, y0, x1, y1))
        class_ids.append(class_id)
    mask[:, -1] = 255
    image = np.full((*SIZE_HW, 3), 128, np.uint8)
    image[..., 2] = number * NUMBER_STEP
    image_path, mask_path = folder / f"{number}.png", folder / f"{number}_mask.png"
    cv2.imwrite(str(image_path), image)
    cv2.imwrite(str(mask_path), mask)
    return Sample(
        image_path,
        SIZE_HW,
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(class_ids, np.int32),
        np.zeros(len(boxes), bool),
        mask_path,
        (1, 2, 3),
        (1, 2, 3),
    )


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(7)
    return Dataset(
        "rectangles", WAREHOUSE, tuple(_sample(tmp_path, number, rng) for number in range(6))
    )


@pytest.fixture
def oracle(dataset):
    """The perceiver that knows: every object with score 1, every pixel right."""

    def perceive(image):
        sample = dataset.samples[round(float(np.median(image[..., 0])) / NUMBER_STEP)]
        mask = read_mask(sample.mask_path)
        mask[mask == 255] = 0
        detections = Detections(
            sample.boxes_xyxy,
            np.ones(len(sample.boxes_xyxy), np.float32),
            sample.class_ids.astype(np.int32),
        )
        segmentation = Segmentation(mask, np.full(SIZE_HW, 255, np.uint8))
        return Result(detections, segmentation, SIZE_HW, Timing(1.0, 2.0, 1.0))

    return perceive


@pytest.fixture
def blind():
    """The perceiver that sees nothing."""

    def perceive(image):
        nothing = Segmentation(
            np.zeros(image.shape[:2], np.uint8), np.zeros(image.shape[:2], np.uint8)
        )
        return Result(Detections(), nothing, image.shape[:2], Timing(1.0, 2.0, 1.0))

    return perceive
