"""Ground truth in bags: a Detection2DArray topic beside the images, as a labelled data set."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.bags.reader import RAW, BagSource, message_stamp_ns, message_to_rgb
from mtv_perception.bags.storage import Topic
from mtv_perception.bags.topics import choose_cameras
from mtv_perception.compare.runs import FrameKey, FrameKeys, detections_of, mask_pixels
from mtv_perception.data.faults import box_faults, check_mask
from mtv_perception.data.sample import Dataset, Sample, raise_faults
from mtv_perception.errors import DatasetError, ImageError, ReplayError
from mtv_perception.geometry.boxes import clip_boxes
from mtv_perception.labels import BACKGROUND_ID, UNLABELED_ID, LabelSet
from mtv_perception.messages.boxes import is_upright
from mtv_perception.types import NANOSECONDS, Detections

_TYPE = "vision_msgs/msg/Detection2DArray"
_STATUS_TYPE = "mtv_perception/msg/PerceptionStatus"
_TRUTH_WORDS = ("truth", "label", "annotation")
_MASK_ENDING = "segmentation/mask"
_LOG = logging.getLogger(__name__)


def truth_topic(bag: BagSource, topic: str = "") -> str:
    """The topic of the truth: the one given, else the one called so, else the only other one.

    A network's results are no truth, unless they are given or called so.

    Raises:
        ReplayError: there is none, or no telling which.
    """
    found = sorted(bag.of_type(_TYPE))
    results = [name for name in found if _is_result(bag, name)]
    if topic:
        candidates = [name for name in found if name == topic]
    else:
        called = [name for name in found if any(word in name for word in _TRUTH_WORDS)]
        candidates = called or [name for name in found if name not in results]
    if len(candidates) != 1:
        have = ", ".join(
            f"{name} (results of a network)" if name in results else name for name in found
        )
        raise ReplayError(
            f"{bag.path}: expected one topic of truth ({topic or _TYPE}), the bag has {have or 'none'}."
        )
    _LOG.info("%s: truth of %s", bag.path, candidates[0])
    return candidates[0]


def _is_result(bag: BagSource, name: str) -> bool:
    """Whether the perception node, or a replay, has published a topic: it names its model beside it."""
    prefix = name.removesuffix("/detections")
    beside = {f"{prefix}/vision_info", f"{prefix}/segmentation/label_info"}
    names = {topic.name for topic in bag.counts}
    return prefix != name and bool(beside & names or bag.of_type(_STATUS_TYPE))


def read_truth(
    path: Path, labels: LabelSet, topic: str = "", rename: Mapping[str, str] | None = None
) -> dict[int, Detections]:
    """The true objects by stamp; an empty array means that there is nothing.

    Args:
        path: of the bag.
        labels: what class ids mean; hypotheses may hold names or numbers.
        topic: of the truth; see `truth_topic`.
        rename: names in the bag to ours; to the background leaves a class out.

    Raises:
        ReplayError: no truth there, or a class that is not known.
        DatasetError: objects without a class or with boxes that are none.
    """
    keyed = _read_truth(path, labels, topic, rename)
    return {key.stamp_ns: found for key, found in keyed.items()}


def _read_truth(
    path: Path, labels: LabelSet, topic: str, rename: Mapping[str, str] | None
) -> dict[FrameKey, Detections]:
    truth, keys, faults, boxes = {}, FrameKeys(), list[str](), list[np.ndarray]()
    with BagSource(path) as bag:
        chosen = truth_topic(bag, topic)
        for message in bag.messages(bag.named([chosen], _TYPE)):
            try:
                content = bag.deserialize(message)
                wrong = object_faults(content, f"{chosen}, {_stamp_text(content)}")
                faults += wrong
                if wrong:
                    continue
                found = detections_of(content, labels, rename)
            except (ImageError, ValueError) as error:
                raise ReplayError(f"{path}: {chosen}: {error}") from error
            key = keys("", message_stamp_ns(content))
            boxes += [found.boxes_xyxy] if len(found) else []
            truth[key] = found.select(found.class_ids != BACKGROUND_ID)
        if bag.damage:
            raise ReplayError(f"{path}: expected a whole bag to take the truth from: {bag.damage}")
    if boxes and max(map(np.max, boxes)) <= 1:
        faults.append(
            f"{chosen}: expected boxes in pixels, got fractions of the image in all of them"
        )
    raise_faults(path, faults)
    return truth


def object_faults(message: Any, where: str) -> list[str]:
    """What is wrong with the objects of a Detection2DArray, a sentence each that begins with `where`."""
    faults = []
    for number, item in enumerate(message.detections):
        box = item.bbox
        centre = getattr(box.center, "position", box.center)
        values = (centre.x, centre.y, box.size_x, box.size_y)
        said = f"{where}: object {number}"
        if not len(item.results):
            faults.append(f"{said}: expected a class, got no hypothesis")
        if (
            not all(map(math.isfinite, (*values, box.center.theta)))
            or min(box.size_x, box.size_y) <= 0
        ):
            faults.append(f"{said}: expected a box with an area, got center and size {values}")
        elif not is_upright(box):
            faults.append(
                f"{said}: expected an upright box, got one turned by {box.center.theta:.3f} rad"
            )
    return faults


def _stamp_text(message: Any) -> str:
    return f"stamp {_seconds(message_stamp_ns(message))}"


def _seconds(stamp_ns: int) -> str:
    return f"{stamp_ns // NANOSECONDS}.{stamp_ns % NANOSECONDS:09d} s"


def read_bag_dataset(
    path: Path,
    labels: LabelSet,
    *,
    rename: Mapping[str, str] | None = None,
    box_classes: tuple[str, ...] | None = None,
    mask_classes: tuple[str, ...] | None = None,
    topic: str = "",
    cache: Path | None = None,
) -> Dataset:
    """A bag with truth as a data set; its images are unpacked once, into a cache.

    Images without a truth of the same stamp are left out: nobody has looked at them.

    Args:
        path: of the bag: one camera, a topic of true Detection2DArray, perhaps true masks (mono8
            class ids, on a topic with "truth" in its name that ends in segmentation/mask).
        labels: what class ids mean.
        rename: names in the bag to ours.
        box_classes: classes with every object boxed; by default those that occur.
        mask_classes: classes the masks tell apart; by default all.
        topic: of the truth; see `truth_topic`.
        cache: where to unpack; by default under XDG_CACHE_HOME.

    Raises:
        DatasetError: no truth, or no image that it is about.
    """
    try:
        truth = _read_truth(path, labels, topic, rename)
        folder = cache or _cache_folder(path)
        images, left_out = _unpack(path, set(truth), folder)
    except ReplayError as error:
        raise DatasetError(str(error)) from error
    occurring = sorted({int(item) for found in truth.values() for item in found.class_ids})
    boxed = (
        tuple(occurring)
        if box_classes is None
        else tuple(labels.id_of(name) for name in box_classes)
    )
    masked = (
        tuple(range(1, len(labels)))
        if mask_classes is None
        else tuple(labels.id_of(name) for name in mask_classes)
    )
    raise_faults(path, _image_faults(images, truth, labels))
    samples = [
        Sample(
            image_path=image,
            size_hw=size_hw,
            boxes_xyxy=clip_boxes(truth[key].boxes_xyxy, size_hw),
            class_ids=truth[key].class_ids,
            crowd=np.zeros(len(truth[key]), bool),
            mask_path=mask if mask.is_file() else None,
            box_classes=boxed,
            mask_classes=masked if mask.is_file() else (),
        )
        for key, (image, mask, size_hw) in sorted(images.items())
    ]
    if not samples:
        raise DatasetError(f"{path}: expected images with the stamps of the truth, got none.")
    return Dataset(path.name, labels, tuple(samples), left_out=left_out)


_Unpacked = dict[FrameKey, tuple[Path, Path, tuple[int, int]]]
"""Image file, mask file (which may not exist) and size, by stamp."""


def _image_faults(
    images: _Unpacked, truth: Mapping[FrameKey, Detections], labels: LabelSet
) -> list[str]:
    """What is wrong with boxes and masks, as the images show it."""
    faults: list[str] = []
    for key, (image, mask, size_hw) in sorted(images.items()):
        where = f"stamp {_seconds(key.stamp_ns)}"
        faults += box_faults(truth[key].boxes_xyxy, size_hw, where, image)
        if not mask.is_file():
            continue
        values, found = check_mask(mask, size_hw, f"{where}, true mask")
        unknown = [value for value in values.tolist() if len(labels) <= value != UNLABELED_ID]
        faults += found
        if unknown:
            expected = f"expected class numbers below {len(labels)} or {UNLABELED_ID}"
            faults.append(f"{where}, true mask: {expected}, got {unknown}")
    return faults


def _unpack(path: Path, wanted: set[FrameKey], folder: Path) -> tuple[_Unpacked, tuple[str, ...]]:
    """The images of a bag that have a truth, as files, and what is left out of truths and images."""
    folder.mkdir(parents=True, exist_ok=True)
    found: _Unpacked = {}
    failed = unlabelled = 0
    with BagSource(path) as bag:
        camera = _camera_beside_truth(bag)
        masks = [name for name in bag.of_type(RAW) if _is_true_mask(name)]
        keys, mask_keys = FrameKeys(), FrameKeys()
        for message in bag.messages([camera, *bag.named(masks, RAW)]):
            if message.topic in masks:
                content = bag.deserialize(message)
                key = mask_keys("", message_stamp_ns(content))
                _write(_files(folder, key)[1], mask_pixels(content))
                continue
            try:
                content = bag.deserialize(message)
            except ImageError as error:
                if any(key.repeat for key in wanted):
                    raise ReplayError(
                        f"{path}: expected images with stamps of their own, for a message of "
                        f"{message.topic} can't be read; stamps stand still, so which truth is of "
                        "which image is not known."
                    ) from error
                failed += 1
                continue
            # Also for an image that can't be decoded: it has its place among those of its stamp.
            key = keys("", message_stamp_ns(content))
            try:
                image_rgb = message_to_rgb(content, message.msgtype)
            except ImageError:
                failed += 1
                continue
            if key not in wanted:
                unlabelled += 1
                continue
            image, mask = _files(folder, key)
            _write(image, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
            found[key] = (image, mask, (image_rgb.shape[0], image_rgb.shape[1]))
        if bag.damage:
            raise ReplayError(f"{path}: expected a whole bag to take images from: {bag.damage}")
    if unlabelled:
        _LOG.warning("%s: %d images without a truth of their stamp are left out", path, unlabelled)
    lost = {
        "images that can't be decoded": failed,
        "truths without an image of their stamp": len(wanted) - len(found),
    }
    left_out = tuple(f"{count} {what} are left out" for what, count in lost.items() if count)
    for text in left_out:
        _LOG.warning("%s: %s", path, text)
    return found, left_out


def _camera_beside_truth(bag: BagSource) -> Topic:
    choice = choose_cameras(bag)
    cameras = [topic for topic in choice.cameras if "truth" not in topic.name]
    if len(cameras) != 1:
        raise ReplayError(
            f"{bag.path}: expected one camera beside the truth, got "
            f"{', '.join(topic.name for topic in cameras) or 'none'}; copy the one that the truth is "
            "about into a bag of its own."
        )
    _LOG.info("%s: images of %s", bag.path, cameras[0].name)
    for item in choice.left_out:
        _LOG.info("%s: left out %s", bag.path, item)
    return cameras[0]


def _is_true_mask(name: str) -> bool:
    return name.endswith(_MASK_ENDING) and "truth" in name


def _files(folder: Path, key: FrameKey) -> tuple[Path, Path]:
    """Image and mask file of a frame."""
    name = f"{key.stamp_ns}-{key.repeat}" if key.repeat else f"{key.stamp_ns}"
    return folder / f"{name}.png", folder / f"{name}.mask.png"


def _write(path: Path, pixels: np.ndarray) -> None:
    if not path.is_file():
        part = path.with_name(f".{path.name}")
        _, coded = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        part.write_bytes(coded.tobytes())
        part.replace(path)


def _cache_folder(path: Path) -> Path:
    """One folder for each state of a bag."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    state = [
        str(path.resolve()),
        *(f"{item.name} {item.stat().st_size} {item.stat().st_mtime_ns}" for item in files),
    ]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return (
        base
        / "mtv_perception"
        / "bags"
        / hashlib.sha256(os.fsencode("\n".join(state))).hexdigest()[:16]
    )
