"""A run in the Rerun viewer: image, boxes, mask, and plots of scores.

Objects and durations over time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.bags.reader import BagSource, decode_frame, message_stamp_ns
from mtv_perception.bags.topics import camera_of, pictures_of, result_topics
from mtv_perception.compare.runs import (
    detection_cameras,
    detections_of,
    mask_pixels,
    named_labels,
    names_of_numbers,
)
from mtv_perception.errors import ImageError, ReplayError
from mtv_perception.labels import LabelSet
from mtv_perception.media.frame import Frame
from mtv_perception.media.write import encoded
from mtv_perception.replay.inputs import open_input
from mtv_perception.types import Detections

_JPEG_QUALITY = 85
# With colours of Okabe and Ito, as in the Foxglove layout.
_DURATIONS = {
    "decode_ms": (0, 158, 115),
    "preprocess_ms": (240, 228, 66),
    "network_ms": (230, 159, 0),
    "postprocess_ms": (204, 121, 167),
    "stamp_to_publish_ms": (86, 180, 233),
}
# Stamps before this are no dates, but times since a file began.
_FIRST_DATE_NS = 10**17


def load_rerun() -> Any:
    """The optional viewer library; ReplayError says how to get it."""
    try:
        import rerun  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise ReplayError(
            "Expected Rerun for the view; install it: pip install rerun-sdk"
        ) from error
    return rerun


class RerunView:
    """Logs what a run says.

    Args:
        labels: names and colours.
        cameras: their names.
        recording: a Rerun RecordingStream.
    """

    def __init__(self, labels: LabelSet, cameras: list[str], recording: Any) -> None:
        self._rr, self._recording, self.labels = load_rerun(), recording, labels
        context = [
            self._rr.AnnotationInfo(
                id=index, label=name, color=(*labels.colour(index), 255 if index else 0)
            )
            for index, name in enumerate(labels.names)
        ]
        for camera in cameras:
            self._log(_path(camera), self._rr.AnnotationContext(context), static=True)
            for index, name in enumerate(labels.foreground, start=1):
                style = self._rr.SeriesLines(colors=[labels.colour(index)], names=[name])
                for plot in ("objects", "score"):
                    self._log(f"plots/{plot}/{_name(camera)}{name}", style, static=True)
            for field, colour in _DURATIONS.items():
                style = self._rr.SeriesLines(colors=[colour], names=[_duration(field)])
                self._log(f"plots/ms/{_name(camera)}{_duration(field)}", style, static=True)
        recording.send_blueprint(self._blueprint(cameras))

    def _log(self, path: str, content: Any, **options: Any) -> None:
        self._recording.log(path, content, **options)

    def _blueprint(self, cameras: list[str]) -> Any:
        import rerun.blueprint as blueprint  # type: ignore[import-not-found,unused-ignore]

        pictures = [
            blueprint.Spatial2DView(origin=_path(camera), name=camera or "camera")
            for camera in cameras
        ]
        plots = [
            blueprint.TimeSeriesView(origin=f"plots/{name}", name=title)
            for name, title in (
                ("score", "best score"),
                ("objects", "objects"),
                ("ms", "durations, milliseconds"),
            )
        ]
        return blueprint.Blueprint(
            blueprint.Horizontal(
                blueprint.Grid(*pictures), blueprint.Vertical(*plots), column_shares=[3, 2]
            ),
            collapse_panels=True,
        )

    def at(self, stamp_ns: int) -> None:
        """What follows belongs to this stamp."""
        if stamp_ns >= _FIRST_DATE_NS:
            self._recording.set_time("time", timestamp=np.datetime64(stamp_ns, "ns"))
        else:
            self._recording.set_time("time", duration=np.timedelta64(stamp_ns, "ns"))

    def image(self, camera: str, frame: Frame) -> None:
        """Show an image."""
        coded = encoded(frame.image_rgb, ".jpg", _JPEG_QUALITY)
        self.at(frame.stamp_ns)
        self._log(
            f"{_path(camera)}/image",
            self._rr.EncodedImage(contents=coded, media_type="image/jpeg"),
        )

    def mask(self, camera: str, stamp_ns: int, class_ids: np.ndarray) -> None:
        """Show a mask over the image."""
        self.at(stamp_ns)
        self._log(f"{_path(camera)}/mask", self._rr.SegmentationImage(class_ids, opacity=0.4))

    def detections(self, camera: str, stamp_ns: int, found: Detections) -> None:
        """Show boxes, and plot scores and numbers of each class."""
        self.at(stamp_ns)
        texts = [
            f"{self.labels.names[class_id]} {score:.2f}"
            for class_id, score in zip(found.class_ids.tolist(), found.scores.tolist(), strict=True)
        ]
        self._log(
            f"{_path(camera)}/boxes",
            self._rr.Boxes2D(
                array=found.boxes_xyxy,
                array_format=self._rr.Box2DFormat.XYXY,
                class_ids=found.class_ids,
                labels=texts,
                show_labels=len(found) <= 20,
            ),
        )
        for index, name in enumerate(self.labels.foreground, start=1):
            chosen = found.scores[found.class_ids == index]
            self._log(f"plots/objects/{_name(camera)}{name}", self._rr.Scalars(len(chosen)))
            if len(chosen):
                self._log(
                    f"plots/score/{_name(camera)}{name}", self._rr.Scalars(float(chosen.max()))
                )

    def status(self, camera: str, stamp_ns: int, status: Any) -> None:
        """Plot where the time went."""
        self.at(stamp_ns)
        for field in _DURATIONS:
            self._log(
                f"plots/ms/{_name(camera)}{_duration(field)}",
                self._rr.Scalars(float(getattr(status, field))),
            )


def _path(camera: str) -> str:
    return f"camera/{camera or 'main'}"


def _duration(field: str) -> str:
    return field.removesuffix("_ms")


def _name(camera: str) -> str:
    return f"{camera}/" if camera else ""


@dataclass
class Shown:
    """What of a bag is in the recording.

    Attributes:
        frames: with results.
        unreadable: images that can't be decoded.
        damage: what is wrong with the bag, or with what held its images.
    """

    frames: int = 0
    unreadable: int = 0
    damage: str = ""


def show_bag(path: Path, recording: Any, images: Path | None = None) -> Shown:
    """Log a bag with results.

    Args:
        path: of the bag.
        recording: a Rerun RecordingStream.
        images: video or bag the run saw, if its images are not in the bag.

    Raises:
        ReplayError: no bag with detections, or with classes that it does not name.
    """
    shown = Shown()
    with BagSource(path) as bag:
        by_topic = detection_cameras(bag)
        cameras = sorted(by_topic.values())
        view = RerunView(named_labels(bag, cameras), cameras, recording)
        rename = names_of_numbers(path, view.labels)
        roles = {
            topic: (role, camera)
            for camera in cameras
            for role, topic in result_topics(camera).items()
        }
        inputs = {t.name: camera_of(t.name, cameras) for t in pictures_of(bag, roles)}
        for message in bag.messages(bag.counts):
            if message.topic in inputs and images is None:
                try:
                    view.image(inputs[message.topic], decode_frame(bag, message, message.topic))
                except ImageError:
                    shown.unreadable += 1
            elif message.topic in roles:
                role, camera = roles[message.topic]
                try:
                    shown.frames += _show(view, bag, message, role, camera, rename)
                except (ImageError, ValueError) as error:
                    raise ReplayError(f"{path}: {message.topic}: {error}") from error
        shown.damage = bag.damage
    if images is not None:
        _show_images(view, images, shown)
    return shown


def _show(
    view: RerunView,
    bag: BagSource,
    message: Any,
    role: str,
    camera: str,
    rename: Mapping[str, str],
) -> bool:
    """Log a message of a result topic; True for detections."""
    if role not in ("detections", "mask", "status"):
        return False
    content = bag.deserialize(message)
    stamp = message_stamp_ns(content)
    if role == "detections":
        view.detections(camera, stamp, detections_of(content, view.labels, rename))
    elif role == "mask":
        view.mask(camera, stamp, mask_pixels(content))
    else:
        view.status(camera, stamp, content)
    return role == "detections"


def _show_images(view: RerunView, images: Path, shown: Shown) -> None:
    with open_input(images) as opened:
        for item in opened.frames():
            try:
                view.image(item.camera, item.decode())
            except ImageError:
                shown.unreadable += 1
        if opened.damage:
            damage = f"{images}: {opened.damage}"
            shown.damage = f"{shown.damage}; {damage}" if shown.damage else damage
