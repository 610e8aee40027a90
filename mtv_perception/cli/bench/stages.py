"""The stages of a frame, and of decoding a message, measured one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from mtv_perception.cli.bench.turns import clock, percentiles
from mtv_perception.geometry.codec import Variances
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.media.decode import decode_compressed
from mtv_perception.media.encodings import decode_raw
from mtv_perception.runtime.boxes import CANDIDATES, detect
from mtv_perception.runtime.mask import segment
from mtv_perception.runtime.outputs import Backend, RawOutputs
from mtv_perception.runtime.perceiver import Perceiver


def split(
    backend: Backend, perceiver: Perceiver, images: Sequence[np.ndarray], frames: int
) -> dict[str, Any]:
    """Percentiles of the parts that Timing puts together.

    Run one by one outside of the perceiver.
    """
    defaults = perceiver.spec.box_spec.boxes_cxcywh()
    names = ("letterbox_ms", "boxes_ms", "mask_ms", "confidence_ms")
    taken: dict[str, list[float]] = {name: [] for name in names}
    for index in range(frames):
        parts = _parts(backend, perceiver, images[index % len(images)], defaults)
        for name, spent in zip(taken, parts, strict=True):
            taken[name].append(spent)
    return {name: percentiles(np.array(values)) for name, values in taken.items()}


def _parts(
    backend: Backend, perceiver: Perceiver, image: np.ndarray, defaults: np.ndarray
) -> tuple[float, ...]:
    """Milliseconds of letterbox, boxes, mask, and confidence of one image."""
    box = Letterbox.fit((image.shape[0], image.shape[1]), perceiver.spec.size_hw)
    filling = clock(_fill, box, image, backend)
    raw = backend.run()
    finding = clock(_boxes, raw, perceiver, defaults)
    size = (raw.segmentation_logits, box, box.source_hw, perceiver.config.mask_threshold)
    pixels = segment(*size)
    masking = clock(lambda: segment(*size).class_ids)
    return filling, finding, masking, clock(lambda: pixels.confidence)


def _fill(box: Letterbox, image: np.ndarray, backend: Backend) -> None:
    box.write(image, backend.input_view())


def _boxes(raw: RawOutputs, perceiver: Perceiver, defaults: np.ndarray) -> None:
    spec, config = perceiver.spec, perceiver.config
    thresholds = config.thresholds(spec)
    found = CANDIDATES[spec.scores](raw.class_logits, thresholds, config.max_candidates)
    limits = (spec.iou_threshold, config.max_per_class, config.max_detections)
    variances = Variances(*spec.variances)
    detect(found, raw.box_offsets, defaults, variances, *limits, thresholds=thresholds)


def _as_message(image: np.ndarray) -> tuple[bytes, int, int, int, str, bool]:
    """The data and layout of a raw bgr8 image, as decode_raw takes them."""
    height, width = image.shape[:2]
    data = cv2.cvtColor(image, cv2.COLOR_RGB2BGR).tobytes()
    return data, height, width, 3 * width, "bgr8", False


def decoding(images: Sequence[np.ndarray]) -> dict[str, dict[str, float]]:
    """Percentiles of turning messages into pixels: raw bgr8 and JPEG."""
    raw = [_as_message(image) for image in images]
    coded = [cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1] for image in images]
    return {
        "bgr8": percentiles(np.array([clock(decode_raw, *message) for message in raw * 3])),
        "jpeg": percentiles(np.array([clock(decode_compressed, data) for data in coded * 3])),
    }
