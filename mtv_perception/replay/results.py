"""A frame's result on the topics of the node, written into a bag."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtv_perception.bags.reader import COMPRESSED, RAW
from mtv_perception.bags.topics import result_topics
from mtv_perception.bags.writer import BagWriter
from mtv_perception.media.frame import Frame
from mtv_perception.media.write import encoded
from mtv_perception.messages.builder import FrameCost, FrameCount
from mtv_perception.messages.foxglove import ANNOTATIONS, image_annotations
from mtv_perception.messages.typestore import builder
from mtv_perception.replay.inputs import FILE_FRAME_ID, InputFrame
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.runtime.settings import reading_of
from mtv_perception.types import Result
from mtv_perception.visual.anonymise import anonymised, with_mark
from mtv_perception.visual.overlay import colour_mask, draw_overlay

EXTRAS = ("input", "color", "overlay", "annotations", "status")
"""What may be written beside detections, mask and confidence."""

_TYPES = {
    "detections": "vision_msgs/msg/Detection2DArray",
    "label_info": "vision_msgs/msg/LabelInfo",
    "vision_info": "vision_msgs/msg/VisionInfo",
    "mask": RAW,
    "confidence": RAW,
    "mask_labels": "vision_msgs/msg/LabelInfo",
    "color": RAW,
    "overlay": COMPRESSED,
    "annotations": ANNOTATIONS,
    "status": "mtv_perception/msg/PerceptionStatus",
}
_OF_MASKS = frozenset({"mask", "confidence", "mask_labels", "color"})
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class Perceived:
    """One frame with what came out.

    Attributes:
        source: where it comes from.
        frame: its pixels.
        decode_ms: decoding took.
        result: of the perceiver.
        count: the camera's totals after this frame.
    """

    source: InputFrame
    frame: Frame
    decode_ms: float
    result: Result
    count: FrameCount


class ResultWriter:
    """Writes frames' results.

    Args:
        bag: open.
        perceiver: whose results they are.
        extras: of EXTRAS.
        class_id_as: what hypotheses hold, "id" or "name".
    """

    def __init__(
        self, bag: BagWriter, perceiver: Perceiver, extras: Iterable[str], class_id_as: str = "id"
    ) -> None:
        self._bag, self._extras, self._class_id_as = bag, frozenset(extras), class_id_as
        self._spec, self._labels = perceiver.spec, perceiver.spec.labels
        self._reading = reading_of(perceiver.spec, perceiver.config)
        self._anonymise = perceiver.config.anonymise
        self._has_masks = bool(perceiver.spec.mask_classes)
        self._thresholds = {"label_info": perceiver.lowest_threshold}
        if self._has_masks:
            self._thresholds["mask_labels"] = perceiver.config.mask_threshold

    def declare(self, camera: str) -> None:
        """Declare a camera's topics: they are in the bag even if no frame of it can be read."""
        for name, topic in result_topics(camera).items():
            if self._is_written(name):
                self._bag.add_topic(topic, _TYPES[name])

    def _is_written(self, name: str) -> bool:
        """Whether a topic is in the bag: of masks only if the model was trained for masks."""
        if name in _OF_MASKS and not self._has_masks:
            return False
        return name not in EXTRAS or name in self._extras

    def announce(self, camera: str, log_ns: int, stamp_ns: int) -> None:
        """Write the latched descriptions of labels and model, once.

        Before the camera's first frame.
        """
        build, topics = builder(), result_topics(camera)
        header = build.header(stamp_ns, "")
        for name, threshold in self._thresholds.items():
            message = build.label_info(self._labels, threshold, header)
            self._bag.write(topics[name], _TYPES[name], log_ns, message)
        about = build.vision_info(self._spec, self._spec.version, header)
        self._bag.write(topics["vision_info"], _TYPES["vision_info"], log_ns, about)

    def write(self, item: Perceived) -> None:
        """Write a frame: detections first, status last."""
        build, result, source = builder(), item.result, item.source
        header = build.header(item.frame.stamp_ns, item.frame.frame_id or FILE_FRAME_ID)
        content = {
            "detections": build.detection_array(
                result.detections, self._labels, header, self._class_id_as
            ),
        }
        if self._has_masks:
            content["mask"] = build.image(result.segmentation.class_ids, "mono8", header)
            content["confidence"] = build.image(result.segmentation.confidence, "mono8", header)
        if "annotations" in self._extras:
            content["annotations"] = image_annotations(
                build, result.detections, self._labels, header
            )
        if self._is_written("color"):
            coloured = colour_mask(result.segmentation.class_ids, self._labels)
            content["color"] = build.image(coloured, "rgb8", header)
        if "overlay" in self._extras:
            footer = f"{result.timing.total_ms:.1f} ms"
            picture = draw_overlay(self._visible(item), result, self._labels, footer)
            content["overlay"] = self._jpeg(picture, header)
        if "status" in self._extras:
            content["status"] = build.status(
                header,
                self._reading,
                result,
                FrameCost(item.decode_ms, 0.0, item.decode_ms + result.timing.total_ms),
                item.count,
            )
        if "input" in self._extras:
            self._write_input(item, header)
        topics = result_topics(source.camera)
        for name, message in content.items():
            self._bag.write(topics[name], _TYPES[name], source.log_ns, message)

    def _visible(self, item: Perceived) -> np.ndarray:
        """What pictures may show of a frame, `(H, W, 3)` uint8 RGB."""
        image = item.frame.image_rgb
        return anonymised(image, item.result.people) if self._anonymise else image

    def _jpeg(self, picture_rgb: np.ndarray, header: Any) -> Any:
        """A picture as a compressed message; it says so if its people are pixelated."""
        coded = encoded(picture_rgb, ".jpg", _JPEG_QUALITY)
        coded = with_mark(coded) if self._anonymise else coded
        return builder().compressed(np.frombuffer(coded, np.uint8), "jpeg", header)

    def _write_input(self, item: Perceived, header: Any) -> None:
        """Write the image itself: as it was recorded, unless people are to be pixelated."""
        source = item.source
        if source.cdr and not self._anonymise:
            self._bag.add_topic(source.topic, source.msgtype)
            self._bag.write_cdr(source.topic, source.log_ns, source.cdr)
            return
        picture, is_raw = self._visible(item), source.msgtype == RAW
        message = (
            builder().image(picture, "rgb8", header) if is_raw else self._jpeg(picture, header)
        )
        self._bag.write(source.topic, source.msgtype or COMPRESSED, source.log_ns, message)
