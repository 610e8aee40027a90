"""A labelled image in memory, with what is known at each pixel.

So that labels stay true through any warp.

A data set may box people but not rails, or mask people but not forklifts. When images of several
data sets meet in one mosaic, that knowledge differs from pixel to pixel, so it travels as images
beside the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mtv_perception.data.class_sets import EVERYTHING_KNOWN, class_bits
from mtv_perception.data.sample import Sample, sample_image, sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.geometry.boxes import box_areas, clip_boxes
from mtv_perception.labels import UNLABELED_ID

_MIN_VISIBLE_SHARE = 0.3
_MIN_SIDE = 2.0


@dataclass(frozen=True)
class Scene:
    """An image and its truth.

    Attributes:
        image: `(H, W, 3)` uint8 RGB.
        boxes_xyxy: `(N, 4)` float32, pixels.
        class_ids: `(N,)` int32.
        crowd: `(N,)` bool; neither an object to find nor background.
        truth: `(H, W, 3)` uint16: class id of the pixel (255 = ignore); bit set of the classes
            whose boxes are complete here; bit set of the classes the mask tells apart here.
    """

    image: np.ndarray
    boxes_xyxy: np.ndarray
    class_ids: np.ndarray
    crowd: np.ndarray
    truth: np.ndarray

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.image.shape[0], self.image.shape[1]


def load_scene(sample: Sample) -> Scene:
    """Read a sample's files; DatasetError when one can't be decoded or has another size than the index says."""
    return make_scene(sample, *read_pixels(sample))


def read_pixels(sample: Sample) -> tuple[np.ndarray, np.ndarray | None]:
    """A sample's image `(H, W, 3)` uint8 RGB and mask `(H, W)` uint8.

    None where pixels are unlabelled.

    Raises:
        DatasetError: one can't be decoded, or has another size than the index says.
    """
    image, mask = sample_image(sample), sample_mask(sample)
    for path, array in ((sample.image_path, image), (sample.mask_path, mask)):
        if array is not None and array.shape[:2] != sample.size_hw:
            raise DatasetError(
                f"{path}: expected a size of {sample.size_hw}, got {array.shape[:2]}."
            )
    return image, mask


def make_scene(sample: Sample, image: np.ndarray, mask: np.ndarray | None) -> Scene:
    """The scene of a sample whose pixels have been read."""
    plane = (
        np.full(sample.size_hw, UNLABELED_ID, np.uint16) if mask is None else mask.astype(np.uint16)
    )
    boxed = np.full_like(plane, class_bits(sample.box_classes))
    masked = np.full_like(plane, 0 if mask is None else class_bits(sample.mask_classes))
    truth = cv2.merge([plane, boxed, masked])
    return Scene(image, sample.boxes_xyxy, sample.class_ids, sample.crowd, truth)


def warp_scene(
    scene: Scene, matrix: np.ndarray, size_hw: tuple[int, int], border: int = 127
) -> Scene:
    """The scene under an axis-aligned affine map of continuous pixel coordinates (x, y) to (x', y').

    What is outside the source is plain border: it holds no objects, and its pixels are ignored. A
    box of which less than 30% stays inside becomes a crowd box.

    Args:
        scene: the source.
        matrix: `(2, 3)`; scales (negative for a flip) and translation, no rotation.
        size_hw: size of the result.
        border: grey level outside.
    """
    height, width = size_hw
    # OpenCV puts integer coordinates at pixel centres; ours lie at pixel corners.
    centred = matrix.copy()
    centred[:, 2] += matrix[:, :2].sum(1) * 0.5 - 0.5
    shrinks = abs(matrix[0, 0]) < 0.6
    image = scene.image
    if shrinks:
        image = cv2.blur(image, (round(0.7 / abs(matrix[0, 0])) | 1,) * 2)
    image = cv2.warpAffine(
        image, centred, (width, height), flags=cv2.INTER_LINEAR, borderValue=(border,) * 3
    )
    truth = cv2.warpAffine(
        scene.truth,
        centred,
        (width, height),
        flags=cv2.INTER_NEAREST,
        borderValue=(UNLABELED_ID, EVERYTHING_KNOWN, 0),
    )
    corners = scene.boxes_xyxy.reshape(-1, 2, 2) * np.diag(matrix[:, :2]) + matrix[:, 2]
    boxes = np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)
    return keep_visible(Scene(image, boxes, scene.class_ids, scene.crowd, truth))


def keep_visible(scene: Scene) -> Scene:
    """Clip boxes to the image, drop what left it, and make mere slivers crowd boxes."""
    clipped = clip_boxes(scene.boxes_xyxy, scene.size_hw)
    sides = clipped[:, 2:] - clipped[:, :2]
    inside = sides.min(axis=1, initial=np.inf) >= _MIN_SIDE
    share = box_areas(clipped) / np.maximum(box_areas(scene.boxes_xyxy), 1e-6)
    crowd = scene.crowd | (share < _MIN_VISIBLE_SHARE)
    return Scene(scene.image, clipped[inside], scene.class_ids[inside], crowd[inside], scene.truth)


def scale_shift(scale_x: float, scale_y: float, shift_x: float, shift_y: float) -> np.ndarray:
    """The `(2, 3)` matrix x' = scale_x * x + shift_x, y' = scale_y * y + shift_y."""
    return np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]], np.float64)


def fit_matrix(size_hw: tuple[int, int], target_hw: tuple[int, int]) -> np.ndarray:
    """The matrix that letterboxes an image into the middle of the target."""
    scale = min(target_hw[0] / size_hw[0], target_hw[1] / size_hw[1])
    shift = [(t - s * scale) / 2 for s, t in zip(size_hw, target_hw, strict=True)]
    return scale_shift(scale, scale, shift[1], shift[0])
