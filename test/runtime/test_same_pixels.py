"""A result's box and its mask land on the same source pixels, whatever the source's size."""

import itertools

import numpy as np
import pytest

from mtv_perception.geometry.codec import DEFAULT_VARIANCES, encode
from mtv_perception.geometry.default_boxes import DefaultBoxMap
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.runtime.outputs import RawOutputs, Tensor
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import PerceiverConfig

NETWORK_HW = (96, 128)
PERSON = 2
INT8_STEP = 0.1
INT8_SIDE_OFFSETS = np.array([5, -3])
SOURCES = [
    (96, 128),
    (480, 640),
    (720, 1280),
    (1080, 1920),
    (479, 641),
    (97, 131),
    (333, 517),
    (641, 479),
    (1280, 720),
    (511, 127),
    (41, 55),
    (37, 23),
    (200, 901),
]


class Rectangle:
    """A network that sees one rectangle of whole segmentation cells, as a box and as pixels."""

    def __init__(self, x0, y0, x1, y1, stride, dtype):
        # Centres on every second pixel and, for int8, sides that whole steps of an offset lead to.
        shrink = np.exp(-INT8_SIDE_OFFSETS * INT8_STEP * DEFAULT_VARIANCES.width)
        shape = (
            (40.0, 24.0) if dtype == np.float32 else tuple(np.array([x1 - x0, y1 - y0]) * shrink)
        )
        boxes = DefaultBoxMap(
            (NETWORK_HW[0] // 2 + 1, NETWORK_HW[1] // 2 + 1), (shape,), padding=0.0
        )
        self.spec = ModelSpec(
            "rectangle", size_hw=NETWORK_HW, default_boxes=(boxes,), segmentation_stride=stride
        )
        default = self.spec.box_spec.boxes_cxcywh()
        centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        nearest = int(np.argmin(((default[:, :2] - centre) ** 2).sum(1)))
        offsets = np.zeros((len(default), 4), np.float32)
        offsets[nearest] = encode(np.array([x0, y0, x1, y1], np.float32), default[nearest])
        logits = np.full((len(default), 3), -8, np.float32)
        logits[nearest, PERSON - 1] = 8
        pixels = np.zeros((NETWORK_HW[0] // stride, NETWORK_HW[1] // stride, 4), np.float32)
        inside = np.s_[y0 // stride : y1 // stride, x0 // stride : x1 // stride]
        pixels[..., 0], pixels[..., PERSON] = 10, -10
        pixels[(*inside, 0)], pixels[(*inside, PERSON)] = -10, 10
        as_tensor = Tensor if dtype == np.float32 else quantised
        self.raw = RawOutputs(as_tensor(logits), as_tensor(offsets), as_tensor(pixels))

    def open(self, config):
        return self

    def input_view(self):
        return np.empty((*NETWORK_HW, 3), np.uint8)

    def run(self):
        return self.raw


def quantised(values):
    """int8 in steps of INT8_STEP; the zero is off the middle, as converters like it."""
    return Tensor((np.round(values / INT8_STEP) + 9).astype(np.int8), INT8_STEP, 9)


def mask_box(class_ids):
    rows, columns = np.nonzero(class_ids == PERSON)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


def rectangles(perceiver_size, stride):
    """Rectangles on cell borders inside the image: in the middle, towards each corner, and the
    whole image.
    """
    (top, left), (height, width) = perceiver_size
    ys = [top + stride * round(height / stride * part) for part in (0, 0.25, 0.5, 1)]
    xs = [left + stride * round(width / stride * part) for part in (0, 0.25, 0.5, 1)]
    pairs = [(0, 1), (1, 2), (2, 3), (0, 3)]
    for (i, j), (k, m) in itertools.product(pairs, pairs):
        if xs[i] < xs[j] and ys[k] < ys[m]:
            yield xs[i], ys[k], xs[j], ys[m]


@pytest.mark.parametrize("source", SOURCES, ids=lambda hw: f"{hw[1]}x{hw[0]}")
@pytest.mark.parametrize("stride", [4, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_box_and_mask_edges_agree_within_a_pixel(source, stride, dtype):
    letterbox = Letterbox.fit(source, NETWORK_HW, stride)
    image = np.zeros((*source, 3), np.uint8)
    for rectangle in rectangles((letterbox.offset_yx, letterbox.inner_hw), stride):
        result = Perceiver(Rectangle(*rectangle, stride, dtype))(image)

        box = result.detections.boxes_xyxy[0]
        assert result.segmentation.class_ids.shape == source
        assert result.detections.class_ids.tolist() == [PERSON]
        np.testing.assert_allclose(mask_box(result.segmentation.class_ids), box, atol=1)
        scale_x, scale_y = letterbox.scale_xy
        expected = np.array(rectangle, float) - np.tile(letterbox.offset_yx[::-1], 2)
        np.testing.assert_allclose(box, expected / np.tile([scale_x, scale_y], 2), atol=0.01)


@pytest.mark.parametrize("source", SOURCES, ids=lambda hw: f"{hw[1]}x{hw[0]}")
def test_a_mask_of_network_size_is_the_images_part_of_the_network(source):
    letterbox = Letterbox.fit(source, NETWORK_HW)
    (top, left), (height, width) = letterbox.offset_yx, letterbox.inner_hw
    x1, y1 = left + width // 8 * 4, top + height // 8 * 4
    if x1 == left or y1 == top:
        pytest.skip("too thin for half a rectangle")

    result = Perceiver(
        Rectangle(left, top, x1, y1, 4, np.float32), PerceiverConfig(mask_size="network")
    )(np.zeros((*source, 3), np.uint8))

    assert result.segmentation.class_ids.shape == letterbox.inner_hw
    assert mask_box(result.segmentation.class_ids).tolist() == [0, 0, x1 - left, y1 - top]
    assert result.size_hw == source
