"""What a run of the network said, frame by frame, from any bag with its topics.

Replayed, or recorded from the node.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtv_perception.bags.reader import RAW, BagSource, message_stamp_ns
from mtv_perception.bags.topics import result_topics
from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.labels import BACKGROUND_ID, UNLABELED_ID, LabelSet, labels_by_id
from mtv_perception.messages.boxes import check_upright
from mtv_perception.replay.resume import DONE, read_state
from mtv_perception.types import Detections


class FrameKey(NamedTuple):
    """Which frame of a run: where stamps stand still the first has `repeat` 0, the next 1."""

    camera: str
    stamp_ns: int
    repeat: int = 0


class FrameKeys:
    """Gives frames their keys in order.

    A stamp that stands still names another frame each time. A stamp that comes again later is the
    same frame in another round of a loop.
    """

    def __init__(self) -> None:
        self._last: dict[str, FrameKey] = {}

    def __call__(self, camera: str, stamp_ns: int) -> FrameKey:
        """The key of the next frame of a camera and stamp."""
        last = self._last.get(camera)
        stands = last is not None and last.stamp_ns == stamp_ns
        key = FrameKey(camera, stamp_ns, last.repeat + 1 if last and stands else 0)
        self._last[camera] = key
        return key


_DETECTIONS = "vision_msgs/msg/Detection2DArray"
_STATUS = "mtv_perception/msg/PerceptionStatus"
_LABELS = "vision_msgs/msg/LabelInfo"
_INFO = "vision_msgs/msg/VisionInfo"
_NAMED = "/detections"
_LOG = logging.getLogger(__name__)


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
        damage: what cut the bag short; empty for a whole one.
    """

    path: Path
    model_id: str
    labels: LabelSet
    frames: dict[FrameKey, RunFrame] = field(repr=False)
    damage: str = field(default="", kw_only=True)

    def masks(self) -> Iterator[tuple[FrameKey, np.ndarray]]:
        """Each frame's mask, `(H, W)` uint8 class ids; H and W may be a fraction of the image's."""
        return bag_masks(self.path, list(self.cameras))

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(sorted({key.camera for key in self.frames}))


@dataclass(frozen=True)
class _Renumbered(Run):
    """A run whose class ids are those of other labels."""

    origin: Run = field(repr=False, kw_only=True)
    ids: np.ndarray = field(repr=False, kw_only=True)

    def masks(self) -> Iterator[tuple[FrameKey, np.ndarray]]:
        for key, mask in self.origin.masks():
            yield key, self.ids[mask]


def with_labels(run: Run, labels: LabelSet) -> Run:
    """The run with the class ids of labels that have all its classes, in whatever order."""
    if run.labels == labels:
        return run
    ids = np.full(256, UNLABELED_ID, np.uint8)
    ids[: len(run.labels)] = [BACKGROUND_ID, *map(labels.id_of, run.labels.foreground)]
    frames = {
        key: replace(
            frame,
            detections=replace(
                frame.detections,
                class_ids=ids[frame.detections.class_ids].astype(frame.detections.class_ids.dtype),
            ),
        )
        for key, frame in run.frames.items()
    }
    return _Renumbered(
        run.path, run.model_id, labels, frames, damage=run.damage, origin=run, ids=ids
    )


def open_run(path: Path) -> Run:
    """Read a run's detections and timing.

    Raises:
        ReplayError: no bag with a topic of detections, or one of models with other classes.
    """
    with BagSource(path) as bag:
        cameras = detection_cameras(bag)
        wanted = set(cameras)
        status = {result_topics(camera)["status"]: camera for camera in cameras.values()}
        info_topics = {result_topics(camera)["vision_info"] for camera in cameras.values()}
        labels, model_id = named_labels(bag, cameras.values()), ""
        raw: dict[FrameKey, Any] = {}
        work: dict[FrameKey, float] = {}
        frame_keys, status_keys, again = FrameKeys(), FrameKeys(), 0
        known = bag.named(wanted | set(status) | info_topics, _DETECTIONS, _STATUS, _INFO)
        for message in bag.messages(known):
            content = _decoded(bag, message)
            if message.topic in cameras:
                key = frame_keys(cameras[message.topic], message_stamp_ns(content))
                again += key in raw
                raw.setdefault(key, content)
            elif message.topic in status:
                key = status_keys(status[message.topic], message_stamp_ns(content))
                work.setdefault(key, _work_ms(content))
            else:
                model_id = content.method
        rename = names_of_numbers(path, labels)
        try:
            frames = {
                key: RunFrame(detections_of(content, labels, rename), work.get(key, float("nan")))
                for key, content in raw.items()
            }
        except ValueError as error:
            raise ReplayError(f"{path}: {', '.join(cameras)}: {error}") from error
        damage = "; ".join(filter(None, (bag.damage, _why_unfinished(path))))
    if again:
        _LOG.warning(
            "%s: %d frames came again, as in a loop; the first of each counts", path, again
        )
    return Run(path, model_id, labels, frames, damage=damage)


def named_labels(bag: BagSource, cameras: Iterable[str]) -> LabelSet:
    """The classes that the results of some cameras name; the package's own where none is named.

    Raises:
        ReplayError: the results are of models with different classes.
    """
    topics = {result_topics(camera)["label_info"] for camera in cameras}
    labels: LabelSet | None = None
    for message in bag.messages(bag.named(topics, _LABELS)):
        found = labels_by_id(_decoded(bag, message).class_map)
        if labels is not None and found != labels:
            raise ReplayError(
                f"{bag.path}: {message.topic}: expected one model, got classes {labels.names} and "
                f"later {found.names}; record a bag for each model."
            )
        labels = found
    return labels or LabelSet()


def _why_unfinished(path: Path) -> str:
    """Says that a bag of `mtv replay` lacks frames because it was interrupted."""
    state = read_state(path) if path.is_dir() else None
    if state is None or state.get("state") == DONE:
        return ""
    return "its replay was interrupted; --resume goes on with it"


def names_of_numbers(path: Path, labels: LabelSet) -> dict[str, str]:
    """Class names by the numbers that a bag of `mtv replay` holds instead of names."""
    state = read_state(path) if path.is_dir() else None
    by_number = {str(number): name for number, name in enumerate(labels.names)}
    return by_number if state and state.get("class_id_as") == "id" else {}


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
        for topic in bag.of_type(_DETECTIONS)
        if topic.endswith(_NAMED)
    }
    if not found:
        raise ReplayError(
            f"{bag.path}: expected a run with a topic .../detections ({_DETECTIONS}), "
            f"the bag has {', '.join(map(str, sorted(bag.counts)))}."
        )
    return found


def detections_of(
    message: Any, labels: LabelSet, rename: Mapping[str, str] | None = None
) -> Detections:
    """A Detection2DArray as arrays, the strongest hypothesis of each.

    The layouts of vision_msgs 2 to 4 are read: `center` with or without `position`, hypotheses with
    `class_id` or `id`.

    Args:
        message: of any of these.
        labels: what class ids mean; hypotheses may hold names or numbers.
        rename: names in the message to ours.

    Raises:
        ValueError: a class that `labels` does not have, or a box that is turned.
    """
    boxes, scores, ids = [], [], []
    for item in message.detections:
        if not len(item.results):
            continue
        hypotheses = (getattr(result, "hypothesis", result) for result in item.results)
        best = max(hypotheses, key=lambda one: one.score)
        check_upright(item.bbox)
        centre = getattr(item.bbox.center, "position", item.bbox.center)
        width, height = item.bbox.size_x, item.bbox.size_y
        boxes.append(
            [
                centre.x - width / 2,
                centre.y - height / 2,
                centre.x + width / 2,
                centre.y + height / 2,
            ]
        )
        scores.append(best.score)
        name = str(best.class_id if hasattr(best, "class_id") else best.id)
        name = (rename or {}).get(name, name)
        ids.append(_class_id(name, labels))
    return Detections(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(scores, np.float32),
        np.asarray(ids, np.int32),
    )


def _class_id(name: str, labels: LabelSet) -> int:
    """Of a name or a number; ValueError where there is no such class.

    Where names are numbers themselves, names are meant.
    """
    if name in labels.names or not name.isdecimal():
        return labels.id_of(name)
    number = int(name)
    if number >= len(labels) or any(other.isdecimal() for other in labels.names):
        known = ", ".join(labels.foreground)
        raise ValueError(f"Expected a class of {known} or its number, got {name!r}.")
    return number


def bag_masks(path: Path, cameras: list[str]) -> Iterator[tuple[FrameKey, np.ndarray]]:
    """The masks of a run's bag in order; of a frame that comes again, as in a loop, the first."""
    topics = {result_topics(camera)["mask"]: camera for camera in cameras}
    with BagSource(path) as bag:
        keys, seen = FrameKeys(), set[FrameKey]()
        for message in bag.messages(bag.named(topics, RAW)):
            mask = _decoded(bag, message)
            key = keys(topics[message.topic], message_stamp_ns(mask))
            if key not in seen:
                seen.add(key)
                yield key, mask_pixels(mask)


def mask_pixels(message: Any) -> np.ndarray:
    """A mono8 image message as `(H, W)` uint8.

    ReplayError where its fields contradict each other.
    """
    data, height, width = np.asarray(message.data, np.uint8), message.height, message.width
    step = message.step or width
    if message.encoding != "mono8" or step < width or data.size < height * step:
        raise ReplayError(
            f"Expected a mask of mono8 with {height} rows of {step} bytes, got {data.size} bytes of "
            f"{message.encoding!r}."
        )
    return data[: height * step].reshape(height, step)[:, :width]
