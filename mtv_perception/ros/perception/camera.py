"""One camera of the node: its subscription, its outputs, its memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from mtv_perception.errors import ImageError
from mtv_perception.media.decode import coded_depth_bits
from mtv_perception.media.encodings import is_depth_by_name
from mtv_perception.ros.calibration import seems_rectified, why_info_unfit, why_other_frame
from mtv_perception.ros.conversions import TO_RGB, stamp_ns
from mtv_perception.ros.losses import Losses
from mtv_perception.ros.perception.account import CameraAccount
from mtv_perception.ros.perception.config import Settings
from mtv_perception.ros.perception.health.image_health import (
    ImageHealth,
    PictureHealth,
    together,
)
from mtv_perception.ros.perception.outputs import CameraOutputs
from mtv_perception.ros.perception.stamps import Freshness
from mtv_perception.ros.qos import RELIABILITY, overridable
from mtv_perception.ros.silence import what_is_heard
from mtv_perception.ros.transforms import publisher_gid
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.tracking.tracker import Tracker
from mtv_perception.types import Detections

_QUEUE_DEPTH = 10
# Between two lines in the log about a camera that sends nothing, s.
_EXPLAIN_PERIOD = 10.0


class Tracks:
    """Track ids of one camera. Call from the worker's thread, except `forget` and `configure`.

    Args:
        settings: whether and how to track.
    """

    def __init__(self, settings: Settings) -> None:
        self._tracker = Tracker(settings.tracker)
        self._model: object = None
        self.forget()
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Take over changed settings."""
        self._on, self._tracker.config = settings.node.track, settings.tracker

    def forget(self) -> None:
        """Start again with the next frame, as when the node is activated."""
        self._model = None

    def ids(self, detections: Detections, stamp_ns: int, model: object) -> np.ndarray | None:
        """The ids of a frame's detections (see Tracker.update), None where tracking is off.

        Args:
            detections: of the frame.
            stamp_ns: of the image; an earlier one than before is a new timeline.
            model: that found them; another than before means other objects.
        """
        if not self._on or model is not self._model:
            self._tracker.clear()
        self._model = model
        return self._tracker.update(detections, stamp_ns) if self._on else None


class Camera:
    """A camera's subscription, outputs and memory.

    Args:
        node: the lifecycle node.
        name: of the camera; empty for the only one.
        settings: topics, timing and tracking.
        spec: of the model; its masks decide which topics there are.
        take: called with the camera's name and an image message, in the executor's thread.
    """

    def __init__(
        self,
        node: LifecycleNode,
        name: str,
        settings: Settings,
        spec: ModelSpec,
        take: Callable[[str, Any], None],
    ) -> None:
        self.name, config = name, settings.node
        self.account, self.tracks = CameraAccount(), Tracks(settings)
        prefix, anonymise = f"{name}/" if name else "", settings.perceiver.anonymise
        self.outputs = CameraOutputs(node, prefix, config, spec, anonymise)
        self._info: CameraInfo | None = None
        self._health, self._losses = ImageHealth(), Losses()
        self._newest: int | None = None
        self._explained_at = -_EXPLAIN_PERIOD
        self._node, self._take = node, take
        self.configure(settings)
        kind, self.topic, self._to_rgb = TO_RGB[config.transport]
        self._images = self._subscribe(kind, self.topic, self._receive, self._count_lost)
        self._full_topic = node.resolve_topic_name(self._images.topic_name)
        self._warn_of_rectified()
        self._others: list[Subscription[Any]] = []
        if config.camera_info:
            self._others.append(self._subscribe(CameraInfo, "camera_info", self._keep_info))

    def to_rgb(self, message: Any) -> np.ndarray:
        """The pixels of an image message, `(H, W, 3)` uint8; ImageError when broken, too many or depth."""
        if why := _why_depth(message, self._full_topic):
            raise ImageError(
                f"Expected a picture, got depth by its {why} and the name of {self._full_topic}; "
                f"remap {self.topic} to the camera's colour topic."
            )
        return self._to_rgb(message, self._config.max_pixels)

    def configure(self, settings: Settings) -> None:
        """Take over changed settings."""
        self._config = settings.node
        self._freshness = Freshness(settings.node.max_age, settings.node.time_jump)
        self.tracks.configure(settings)
        self.outputs.configure(settings.node)

    def begin(self) -> None:
        """Start again, as when the node is activated."""
        self.account.begin()
        self.tracks.forget()
        self._health = ImageHealth()

    def destroy(self) -> None:
        """Remove subscriptions and topics."""
        for subscription in (self._images, *self._others):
            self._node.destroy_subscription(subscription)
        self.outputs.destroy()

    def poll(self) -> None:
        """Take in what has arrived, for a callback that keeps the executor's thread busy."""
        with self._images.handle:
            while taken := self._images.handle.take_message(self._images.msg_type, False):
                self._receive(*taken)

    def _count_lost(self, event: Any) -> None:
        """What the middleware says it lost, where gaps in its numbers do not tell."""
        if not self._losses.is_told:
            self.account.lost(int(event.total_count_change))

    def _subscribe(
        self,
        kind: type,
        topic: str,
        callback: Callable[..., None],
        lost: Callable[[Any], None] | None = None,
    ) -> Any:
        """A subscription; `lost` is told what the middleware loses, where it can say so."""
        topic = f"{self.name}/{topic}" if self.name else topic
        # Deep enough that the middleware drops nothing: the worker drops old images, and counts.
        qos = QoSProfile(
            depth=_QUEUE_DEPTH, reliability=RELIABILITY[self._config.image_reliability]
        )
        events = SubscriptionEventCallbacks(message_lost=lost)
        create = self._node.create_subscription
        try:
            return overridable(create, kind, topic, callback, qos, event_callbacks=events)
        except UnsupportedEventTypeError:
            return overridable(create, kind, topic, callback, qos)

    def _warn_of_rectified(self) -> None:
        """Nodes that measure by camera_info have to know of rectified images, and only the topic tells."""
        if seems_rectified(self._full_topic):
            self._node.get_logger().warning(
                f"{self._full_topic} seems to hold rectified images: the zones file and ranging_node need "
                "`rectified: true`, else they measure with the distortion of the lens"
            )

    def why_uncalibrated(self) -> str:
        """Why no calibration came for the mask's camera_info; empty if one came or none is needed."""
        if not self._others or self._info or not self.outputs.has("camera_info"):
            return ""
        topic = f"{self.name}/camera_info" if self.name else "camera_info"
        return what_is_heard(self._node, topic, CameraInfo, self._others[0].qos_profile)

    def why_silent(self) -> str:
        """What is seen of the image topic; also logged, now and then."""
        kind, topic, _ = TO_RGB[self._config.transport]
        topic = f"{self.name}/{topic}" if self.name else topic
        text = what_is_heard(self._node, topic, kind, self._images.qos_profile)
        if time.monotonic() - self._explained_at >= _EXPLAIN_PERIOD:
            self._explained_at = time.monotonic()
            self._node.get_logger().warning(text)
        return text

    def _receive(self, message: Any, info: Any) -> None:
        now, header = self._node.get_clock().now().nanoseconds, message.header
        self.account.lost(self._losses.missed(info))
        self.account.arrived(
            stamp_ns(header), now, self._config.time_jump, header.frame_id, publisher_gid(info)
        )
        self._take(self.name, message)

    def _keep_info(self, message: CameraInfo) -> None:
        self._info = message

    def admit(self, message: Any) -> bool:
        """Whether the message is new enough to be processed; if so it becomes the newest."""
        stamp = stamp_ns(message.header)
        now = self._node.get_clock().now().nanoseconds
        reason = self._freshness.refusal(stamp, self._newest, now)
        if reason:
            self.account.stale(reason)
        else:
            self._newest = stamp
        return not reason

    def calibration(self, size_hw: tuple[int, int], frame_id: str) -> CameraInfo | None:
        """The calibration of images of a size.

        None where none was received, or it does not fit them.

        Args:
            size_hw: height and width, pixels.
            frame_id: of the image.
        """
        if self._info is None:
            return None
        reason = why_info_unfit(self._info, size_hw) or why_other_frame(
            "camera_info", self._info.header.frame_id, frame_id
        )
        self.account.calibrated(reason)
        return None if reason else self._info

    def health(self, image_rgb: np.ndarray) -> PictureHealth:
        """What is wrong with a picture, and with the order of those before."""
        mixed = self.account.mixed  # Diagnostics tell it among the stamps.
        if not self._config.check_images:
            return PictureHealth(mixed)
        lasting = self._health.see(image_rgb, time.monotonic(), self._config.frozen_after)
        return PictureHealth(together(mixed, self._health.at_once), lasting)


def _why_depth(message: Any, topic: str) -> str:
    """What says, beside its topic's name, that an image message holds depth; empty for a picture."""
    is_raw = hasattr(message, "encoding")
    # A compressed one states the encoding that it had before, or nothing but its format.
    encoding = message.encoding if is_raw else message.format.partition(";")[0].strip()
    if is_depth_by_name(encoding, topic):
        return f"encoding {encoding}"
    bits = 0 if is_raw else coded_depth_bits(message.data, encoding, topic)
    return f"{bits} bits" if bits else ""
