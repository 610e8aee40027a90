"""What a run of the network said, frame by frame, from any bag with its topics: replayed, or recorded from the node."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.bags.reader import RAW, BagSource, message_stamp_ns
from mtv_perception.bags.topics import result_topics
from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.labels import LabelSet, labels_of
from mtv_perception.types import Detections

FrameKey = tuple[str, int]
"""Camera name and stamp in nanoseconds."""

_DETECTIONS = "vision_msgs/msg/Detection2DArray"
_STATUS = "mtv_perception/msg/PerceptionStatus"
_NAMED = "/detections"


@dataclass(frozen=True)
class RunFrame:
    """One frame of a run.

    Attributes:
        detections: in source pixels.
        work_ms: decoding, preprocessing, network and postprocessing; NaN where no status tells.
    """

    detections: Detections
    work_ms: float = float("nan")


@dataclass(frozen=True)
class Run:
    """A run without its masks, which are read one at a time.

    Attributes:
        path: where it is.
        model_id: who saw this; empty where the bag does not say.
        labels: what class ids mean.
        frames: in order, by camera and stamp.
    """

    path: Path
    model_id: str
    labels: LabelSet
    frames: dict[FrameKey, RunFrame] = field(repr=False)

    def masks(self) -> Iterator[tuple[FrameKey, np.ndarray]]:
        """Each frame's mask, `(H, W)` uint8 class ids; H and W may be a fraction of the image's."""
        return bag_masks(self.path, sorted({camera for camera, _ in self.frames}))

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(sorted({camera for camera, _ in self.frames}))


def open_run(path: Path) -> Run:
    """Read a run's detections and timing.

    Raises:
        ReplayError: no bag with a topic of detections.
    """
    with BagSource(path) as bag:
        cameras = detection_cameras(bag)
        wanted = set(cameras)
        status = {result_topics(camera)["status"]: camera for camera in cameras.values()}
        labels_topics = {result_topics(camera)["label_info"] for camera in cameras.values()}
        info_topics = {result_topics(camera)["vision_info"] for camera in cameras.values()}
        labels, model_id = LabelSet(), ""
        raw: dict[FrameKey, Any] = {}
        work: dict[FrameKey, float] = {}
        known = (wanted | set(status) | labels_topics | info_topics) & set(bag.topics)
        for message in bag.messages(known):
            content = _decoded(bag, message)
            if message.topic in cameras:
                raw[cameras[message.topic], message_stamp_ns(content)] = content
            elif message.topic in status:
                work[status[message.topic], message_stamp_ns(content)] = _work_ms(content)
            elif message.topic in labels_topics:
                labels = labels_of([item.class_name for item in content.class_map])
            else:
                model_id = content.method
        frames = {
            key: RunFrame(detections_of(content, labels), work.get(key, float("nan")))
            for key, content in raw.items()
        }
    return Run(path, model_id, labels, frames)


def _decoded(bag: BagSource, message: Any) -> Any:
    try:
        return bag.deserialize(message)
    except ImageError as error:
        raise ReplayError(f"{bag.path}: {message.topic}: {error}") from error


def _work_ms(status: Any) -> float:
    return float(
        status.decode_ms + status.preprocess_ms + status.network_ms + status.postprocess_ms
    )


def detection_cameras(bag: BagSource) -> dict[str, str]:
    """Camera name by topic of detections; ReplayError where there is none."""
    found = {
        topic: topic.removesuffix(_NAMED).strip("/")
        for topic, msgtype in bag.topics.items()
        if msgtype == _DETECTIONS and topic.endswith(_NAMED)
    }
    if not found:
        raise ReplayError(
            f"{bag.path}: expected a run with a topic .../detections ({_DETECTIONS}), "
            f"the bag has {', '.join(sorted(bag.topics))}."
        )
    return found


def detections_of(message: Any, labels: LabelSet) -> Detections:
    """A Detection2DArray as arrays, the strongest hypothesis of each; class ids may be names or numbers."""
    boxes, scores, ids = [], [], []
    for item in message.detections:
        if not len(item.results):
            continue
        best = max((result.hypothesis for result in item.results), key=lambda one: one.score)
        centre, width, height = item.bbox.center.position, item.bbox.size_x, item.bbox.size_y
        boxes.append(
            [
                centre.x - width / 2,
                centre.y - height / 2,
                centre.x + width / 2,
                centre.y + height / 2,
            ]
        )
        scores.append(best.score)
        ids.append(int(best.class_id) if best.class_id.isdecimal() else labels.id_of(best.class_id))
    return Detections(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(scores, np.float32),
        np.asarray(ids, np.int32),
    )


def bag_masks(path: Path, cameras: list[str]) -> Iterator[tuple[FrameKey, np.ndarray]]:
    """The masks of a run's bag in order."""
    topics = {result_topics(camera)["mask"]: camera for camera in cameras}
    with BagSource(path) as bag:
        for message in bag.messages({topic for topic in topics if bag.topics.get(topic) == RAW}):
            mask = _decoded(bag, message)
            pixels = np.asarray(mask.data, np.uint8).reshape(mask.height, mask.step)[
                :, : mask.width
            ]
            yield (topics[message.topic], message_stamp_ns(mask)), pixels
