"""The topics of one camera: publishers, and a Result as messages on them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

from mtv_perception.labels import LabelSet
from mtv_perception.msg import PerceptionStatus
from mtv_perception.ros.conversions import (
    ANNOTATIONS_KIND,
    annotation_message,
    compressed_message,
    detection_array,
    image_message,
    label_info,
    scaled_camera_info,
    vision_info,
)
from mtv_perception.ros.perception.config import NodeConfig
from mtv_perception.ros.qos import LATCHED, newest_only, overridable, watched
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.types import Detections, Result
from mtv_perception.visual.anonymise import anonymised
from mtv_perception.visual.overlay import colour_mask, draw_overlay

_MASK_OUTPUTS = (
    "mask",
    "confidence",
    "mask_labels",
    "colour",
    "colour_compressed",
    "camera_info",
)

LEASE = 3.0
"""Seconds after which the topic of detections is no longer alive; its liveliness is asserted once
a second."""


class CameraOutputs:
    """Publishers of one camera's results.

    Args:
        node: a lifecycle node; the publishers speak only while it is active.
        prefix: put before every topic name ("front/" or nothing).
        config: quality of service and which outputs are wanted.
        spec: of the model; one without masks has no mask topics.
        anonymise: pixelate people in pictures, and have a topic of the camera's pictures.
    """

    def __init__(
        self,
        node: LifecycleNode,
        prefix: str,
        config: NodeConfig,
        spec: ModelSpec,
        anonymise: bool = False,
    ) -> None:
        self._node, self._config, self._prefix = node, config, prefix
        self._anonymise = anonymise
        self._publishers: dict[str, Any] = {}
        longest = config.longest_pause(prefix.removesuffix("/"))
        watch = watched(5, longest, LEASE)
        self._declare("detections", Detection2DArray, f"{prefix}detections", watch)
        self._declare("label_info", LabelInfo, f"{prefix}label_info", LATCHED)
        self._declare("vision_info", VisionInfo, f"{prefix}vision_info", LATCHED)
        picture = newest_only(config.mask_reliability)
        self._declare("overlay", Image, f"{prefix}overlay", picture)
        self._declare("overlay_compressed", CompressedImage, f"{prefix}overlay/compressed", picture)
        if anonymise:
            camera = f"{prefix}image_anonymised"
            self._declare("camera", Image, camera, picture)
            self._declare("camera_compressed", CompressedImage, f"{camera}/compressed", picture)
        self._declare("status", PerceptionStatus, f"~/{prefix}status", 5)
        if ANNOTATIONS_KIND:
            self._declare("annotations", ANNOTATIONS_KIND, f"{prefix}image_annotations", 5)
        self.fit(spec)

    def _declare(self, name: str, kind: type, topic: str, qos: QoSProfile | int) -> None:
        create = self._node.create_lifecycle_publisher
        self._publishers[name] = overridable(create, kind, topic, qos)

    def fit(self, spec: ModelSpec) -> None:
        """Have mask topics for a model that was trained for masks, and none for another."""
        has, wants = "mask" in self._publishers, bool(spec.mask_classes)
        if has and not wants:
            for name in _MASK_OUTPUTS:
                if name in self._publishers:
                    self._node.destroy_lifecycle_publisher(self._publishers.pop(name))
        if has or not wants:
            return
        folder, picture = f"{self._prefix}segmentation", newest_only(self._config.mask_reliability)
        self._declare("mask", Image, f"{folder}/mask", picture)
        self._declare("confidence", Image, f"{folder}/confidence", picture)
        self._declare("mask_labels", LabelInfo, f"{folder}/label_info", LATCHED)
        self._declare("colour", Image, f"{folder}/color", picture)
        self._declare("colour_compressed", CompressedImage, f"{folder}/color/compressed", picture)
        if self._config.camera_info:
            self._declare("camera_info", CameraInfo, f"{folder}/camera_info", picture)

    def activate(self) -> None:
        """Let publishers speak that were created while the node was active."""
        for publisher in self._publishers.values():
            publisher.on_activate(None)

    def configure(self, config: NodeConfig) -> None:
        """Take over changed settings; the deadline of detections stays."""
        self._config = config

    def assert_alive(self) -> None:
        """Tell those who watch the topic that the node works, though it may have no images."""
        self._publishers["detections"].assert_liveliness()

    def destroy(self) -> None:
        """Remove the topics."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def has(self, name: str) -> bool:
        """Whether this output is published, with or without subscribers."""
        return name in self._publishers

    def wanted(self, name: str) -> bool:
        """Whether an output is there and someone subscribes to it."""
        publisher = self._publishers.get(name)
        return publisher is not None and bool(publisher.get_subscription_count())

    def announce(self, spec: ModelSpec, config: PerceiverConfig, version: int) -> None:
        """Publish the latched descriptions of labels and model."""
        header = Header(stamp=self._node.get_clock().now().to_msg())
        labels, threshold = spec.labels, config.thresholds(spec).min()
        self._publishers["label_info"].publish(label_info(labels, threshold, header))
        if "mask_labels" in self._publishers:
            self._publishers["mask_labels"].publish(
                label_info(labels, config.mask_threshold, header)
            )
        self._publishers["vision_info"].publish(vision_info(spec, version, header))

    def publish_detections(
        self,
        detections: Detections,
        header: Header,
        labels: LabelSet,
        track_ids: np.ndarray | None = None,
    ) -> None:
        """Publish the objects of an image, under its header."""
        as_text = self._config.class_id_as
        self._publishers["detections"].publish(
            detection_array(detections, labels, header, as_text, track_ids)
        )

    def publish_status(self, status: PerceptionStatus) -> None:
        """Publish what one frame cost and what became of the others."""
        self._publishers["status"].publish(status)

    def publish_pictures(
        self,
        result: Result,
        image_rgb: np.ndarray,
        header: Header,
        labels: LabelSet,
        info: CameraInfo | None,
    ) -> None:
        """Publish mask, pictures and annotations, each only while someone subscribes.

        They go last: consumers of detections and status do not wait for pictures.
        """
        config, publishers, pixels = self._config, self._publishers, result.segmentation
        if config.publish_mask and self.wanted("mask"):
            publishers["mask"].publish(image_message(pixels.class_ids, "mono8", header))
        if config.publish_confidence and self.wanted("confidence"):
            publishers["confidence"].publish(image_message(pixels.confidence, "mono8", header))
        if info is not None and "camera_info" in publishers:
            publishers["camera_info"].publish(
                scaled_camera_info(info, pixels.class_ids.shape, header)
            )
        if self.wanted("annotations"):
            publishers["annotations"].publish(annotation_message(result.detections, labels, header))
        self._show("colour", "png", header, lambda: colour_mask(pixels.class_ids, labels))
        visible = cache(lambda: self._visible(image_rgb, result))
        self._show("camera", "jpeg", header, visible)
        footer = f"{result.timing.total_ms:.1f} ms"
        self._show(
            "overlay", "jpeg", header, lambda: draw_overlay(visible(), result, labels, footer)
        )

    def _visible(self, image_rgb: np.ndarray, result: Result) -> np.ndarray:
        """What pictures may show of an image."""
        return anonymised(image_rgb, result.people) if self._anonymise else image_rgb

    def _show(self, name: str, form: str, header: Header, draw: Callable[[], np.ndarray]) -> None:
        """Publish a picture for people, raw and compressed, each only while someone subscribes."""
        compressed = f"{name}_compressed"
        wants_raw, wants_compressed = self.wanted(name), self.wanted(compressed)
        if not wants_raw and not wants_compressed:
            return
        picture = draw()
        if wants_raw:
            self._publishers[name].publish(image_message(picture, "rgb8", header))
        if wants_compressed:
            is_anonymised = self._anonymise and form == "jpeg"
            message = compressed_message(picture, form, header, is_anonymised)
            self._publishers[compressed].publish(message)
