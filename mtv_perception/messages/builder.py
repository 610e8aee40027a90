"""Results as message fields: one builder for rclpy's message classes and for the plain ones bags are written with.

It never names a message class, it asks for them by type name, so that the node and the offline
replay can say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtv_perception.labels import LabelSet
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.runtime.settings import Reading
from mtv_perception.types import NANOSECONDS, Detections, Result

_CHANNELS = {"mono8": 1, "rgb8": 3, "bgr8": 3}


def float32_array(values: Sequence[float]) -> np.ndarray:
    """Numbers as the writer of bags wants them."""
    return np.asarray(values, np.float32)


@dataclass(frozen=True)
class FrameCount:
    """Totals of a camera at one frame, images."""

    received: int = 0
    processed: int = 0
    dropped: int = 0
    stale: int = 0
    failed: int = 0


@dataclass(frozen=True)
class FrameCost:
    """Durations of one frame beside the perceiver's, milliseconds.

    Attributes:
        decode_ms: from the message to pixels.
        publish_ms: filling and publishing the detections.
        stamp_to_publish_ms: from the stamp to the publication; without a clock to measure against,
            the work alone.
    """

    decode_ms: float
    publish_ms: float
    stamp_to_publish_ms: float


@dataclass(frozen=True)
class FrameNotes:
    """Fields of PerceptionStatus of the same names, which only a running node knows."""

    image_health: str = ""
    image_health_detail: str = ""
    epoch: int = 0
    lost: int = 0


class MessageBuilder:
    """Fills messages.

    Args:
        kind: the class of a type such as "std_msgs/msg/Header"; it must take its fields as
            keywords.
        octets: turns a contiguous uint8 array into what the class wants for `uint8[]`.
        floats: turns numbers into what the class wants for `float32[]`.
    """

    def __init__(
        self,
        kind: Callable[[str], Any],
        octets: Callable[[np.ndarray], Any],
        floats: Callable[[Sequence[float]], Any] = float32_array,
    ) -> None:
        self._kind, self._octets, self._floats = kind, octets, floats
        self._pose: Any = None

    def make(self, msgtype: str, **values: Any) -> Any:
        """A message of a type with all its fields."""
        return self._kind(msgtype)(**values)

    def time(self, stamp_ns: int) -> Any:
        """A stamp."""
        seconds, rest = divmod(stamp_ns, NANOSECONDS)
        return self.make("builtin_interfaces/msg/Time", sec=seconds, nanosec=rest)

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """A header."""
        return self.make("std_msgs/msg/Header", stamp=self.time(stamp_ns), frame_id=frame_id)

    def image(self, pixels: np.ndarray, encoding: str, header: Any) -> Any:
        """A raw image of `(H, W)` or `(H, W, 3)` uint8 pixels, rows without padding."""
        height, width = pixels.shape[:2]
        if pixels.dtype != np.uint8 or pixels.size != height * width * _CHANNELS[encoding]:
            raise ValueError(
                f"Expected uint8 pixels of {encoding}, got {pixels.dtype} of shape {pixels.shape}."
            )
        return self.make(
            "sensor_msgs/msg/Image",
            header=header,
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=width * _CHANNELS[encoding],
            data=self._octets(np.ascontiguousarray(pixels)),
        )

    def compressed(self, coded: np.ndarray, form: str, header: Any) -> Any:
        """A compressed image from coded bytes; `form` is "jpeg" or "png"."""
        return self.make(
            "sensor_msgs/msg/CompressedImage",
            header=header,
            format=form,
            data=self._octets(np.ascontiguousarray(coded).reshape(-1)),
        )

    def detection_array(
        self, found: Detections, labels: LabelSet, header: Any, class_id_as: str = "id"
    ) -> Any:
        """Detections in source pixels; every one carries the image's header.

        Args:
            found: detections.
            labels: names.
            header: the source image's.
            class_id_as: "id" for the numeric id as text, "name" for the class name.
        """
        rows = zip(
            found.boxes_xyxy.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True
        )
        return self.make(
            "vision_msgs/msg/Detection2DArray",
            header=header,
            detections=[
                self._detection(
                    box, score, labels.names[label] if class_id_as == "name" else str(label), header
                )
                for box, score, label in rows
            ],
        )

    def _detection(self, box: Sequence[float], score: float, class_id: str, header: Any) -> Any:
        make = self.make
        hypothesis = make("vision_msgs/msg/ObjectHypothesis", class_id=class_id, score=score)
        centre = make("vision_msgs/msg/Point2D", x=(box[0] + box[2]) / 2, y=(box[1] + box[3]) / 2)
        bbox = make(
            "vision_msgs/msg/BoundingBox2D",
            center=make("vision_msgs/msg/Pose2D", position=centre, theta=0.0),
            size_x=box[2] - box[0],
            size_y=box[3] - box[1],
        )
        result = make(
            "vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis, pose=self._no_pose()
        )
        return make(
            "vision_msgs/msg/Detection2D", header=header, results=[result], bbox=bbox, id=""
        )

    def _no_pose(self) -> Any:
        """The default, for a camera alone knows no pose.

        One object for all detections, as nobody fills it in.
        """
        if self._pose is not None:
            return self._pose
        make = self.make
        pose = make(
            "geometry_msgs/msg/Pose",
            position=make("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0),
            orientation=make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        )
        self._pose = make(
            "geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)
        )
        return self._pose

    def label_info(self, labels: LabelSet, threshold: float, header: Any) -> Any:
        """What ids mean, background included."""
        classes = [
            self.make("vision_msgs/msg/VisionClass", class_id=index, class_name=name)
            for index, name in enumerate(labels.names)
        ]
        return self.make(
            "vision_msgs/msg/LabelInfo",
            header=header,
            class_map=classes,
            threshold=float(threshold),
        )

    def vision_info(self, spec: ModelSpec, version: int, header: Any) -> Any:
        """Which model speaks, and where its labels are."""
        return self.make(
            "vision_msgs/msg/VisionInfo",
            header=header,
            method=spec.model_id,
            database_location="label_info",
            database_version=int(version),
        )

    def status(
        self,
        header: Any,
        reading: Reading,
        result: Result,
        cost: FrameCost,
        count: FrameCount,
        notes: FrameNotes = FrameNotes(),
    ) -> Any:
        """What one frame cost, what became of the others, and how the result is to be read."""
        timing, explained = result.timing, dict(vars(reading))
        for name in ("score_thresholds", "model_thresholds"):
            explained[name] = self._floats(explained[name])
        for name in ("classes", "box_classes", "mask_classes", "suppressed_classes"):
            explained[name] = list(explained[name])
        height, width = result.size_hw
        return self.make(
            "mtv_perception/msg/PerceptionStatus",
            header=header,
            decode_ms=cost.decode_ms,
            preprocess_ms=timing.preprocess_ms,
            network_ms=timing.network_ms,
            postprocess_ms=timing.postprocess_ms,
            publish_ms=cost.publish_ms,
            stamp_to_publish_ms=cost.stamp_to_publish_ms,
            detections=len(result.detections),
            source_width=width,
            source_height=height,
            truncated=result.truncated,
            **vars(count),
            **vars(notes),
            **explained,
        )
