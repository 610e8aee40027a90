"""Messages to arrays and results to messages; nothing else."""

from __future__ import annotations

import array
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo, VisionInfo

from mtv_perception.labels import LabelSet
from mtv_perception.media.decode import decode_compressed
from mtv_perception.media.encodings import MAX_PIXELS, decode_raw
from mtv_perception.media.write import encoded
from mtv_perception.messages.builder import FrameCost, FrameCount, FrameNotes, MessageBuilder
from mtv_perception.messages.foxglove import ANNOTATIONS, image_annotations
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.runtime.settings import Reading
from mtv_perception.tracking.tracker import NO_ID
from mtv_perception.types import NANOSECONDS, Detections, Result
from mtv_perception.visual.anonymise import with_mark


def stamp_ns(header: Header) -> int:
    """A header's stamp in nanoseconds."""
    return int(header.stamp.sec) * NANOSECONDS + int(header.stamp.nanosec)


def image_to_rgb(message: Image, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The pixels of a raw image as `(H, W, 3)` uint8 RGB; ImageError when they are not what the fields say."""
    return decode_raw(
        message.data,
        message.height,
        message.width,
        message.step,
        message.encoding,
        bool(message.is_bigendian),
        max_pixels,
    )


def compressed_to_rgb(message: CompressedImage, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """The pixels of a compressed image as `(H, W, 3)` uint8 RGB; ImageError when they can't be decoded."""
    return decode_compressed(message.data, max_pixels=max_pixels, form=message.format)


TO_RGB: dict[str, tuple[type, str, Callable[..., np.ndarray]]] = {
    "raw": (Image, "image", image_to_rgb),
    "compressed": (CompressedImage, "image/compressed", compressed_to_rgb),
}
"""Message type, topic and conversion of each transport."""


def _message_class(msgtype: str) -> type:
    """The class of a type such as "std_msgs/msg/Header"."""
    package, _, name = msgtype.split("/")
    found: type = getattr(import_module(f"{package}.msg"), name)
    return found


def byte_array(pixels: np.ndarray) -> array.array[int]:
    """Pixels in the only container rclpy takes without checking every byte (45 ms for a 640x480 image)."""
    data = array.array("B")
    data.frombytes(pixels.data.cast("B"))
    return data


def _float_array(values: Sequence[float]) -> array.array[float]:
    return array.array("f", values)


_BUILDER = MessageBuilder(cache(_message_class), byte_array, _float_array)


def _optional_class(msgtype: str) -> type | None:
    try:
        return _message_class(msgtype)
    except ImportError:
        return None


ANNOTATIONS_KIND = _optional_class(ANNOTATIONS)
"""foxglove_msgs/ImageAnnotations, or None where foxglove_msgs is not installed."""


def image_message(pixels: np.ndarray, encoding: str, header: Header) -> Image:
    """An image message of `(H, W)` or `(H, W, 3)` uint8 pixels, rows without padding."""
    return _BUILDER.image(pixels, encoding, header)


_SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
_JPEG_QUALITY = 85


def compressed_message(
    pixels_rgb: np.ndarray, form: str, header: Header, is_anonymised: bool = False
) -> CompressedImage:
    """A compressed image message of `(H, W, 3)` uint8 RGB.

    Args:
        pixels_rgb: the picture.
        form: "jpeg" or "png".
        header: of the message.
        is_anonymised: say in the JPEG that its people are pixelated.

    Raises:
        ImageError: a size that the form can't hold.
    """
    coded = encoded(pixels_rgb, _SUFFIXES[form], _JPEG_QUALITY)
    coded = with_mark(coded) if is_anonymised else coded
    return _BUILDER.compressed(
        np.frombuffer(coded, np.uint8), f"rgb8; {form} compressed bgr8", header
    )


def detection_array(
    found: Detections,
    labels: LabelSet,
    header: Header,
    class_id_as: str = "id",
    track_ids: np.ndarray | None = None,
) -> Detection2DArray:
    """Detections in source pixels as a message; every detection carries the image's header.

    Args:
        found: detections.
        labels: names.
        header: the source image's.
        class_id_as: "id" for the numeric id as text, "name" for the class name.
        track_ids: `(N,)` int64, the tracker's, or None where nothing is tracked; NO_ID stays an
            empty text.
    """
    message = _BUILDER.detection_array(found, labels, header, class_id_as)
    if track_ids is not None:
        for detection, track_id in zip(message.detections, track_ids.tolist(), strict=True):
            detection.id = "" if track_id == NO_ID else str(track_id)
    return message


def annotation_message(found: Detections, labels: LabelSet, header: Header) -> Any:
    """Boxes and labels as foxglove_msgs/ImageAnnotations; only where ANNOTATIONS_KIND is not None."""
    return image_annotations(_BUILDER, found, labels, header)


def status_message(
    header: Header,
    reading: Reading,
    result: Result,
    cost: FrameCost,
    count: FrameCount,
    notes: FrameNotes,
) -> Any:
    """What one frame cost, what became of the others, and how the result is to be read."""
    return _BUILDER.status(header, reading, result, cost, count, notes)


def label_info(labels: LabelSet, threshold: float, header: Header) -> LabelInfo:
    """What ids mean, background included."""
    return _BUILDER.label_info(labels, threshold, header)


def vision_info(spec: ModelSpec, version: int, header: Header) -> VisionInfo:
    """Which model speaks, and where its labels are."""
    return _BUILDER.vision_info(spec, version, header)


def scaled_camera_info(info: CameraInfo, size_hw: tuple[int, int], header: Header) -> CameraInfo:
    """A camera's calibration for its image scaled to `size_hw`, under another header.

    The message describes the whole sensor; an image of a region of it, or with binning, shows `roi`
    alone.
    """
    scaled = deepcopy(info)
    scaled.header = header
    if not info.width or not info.height:
        return scaled
    roi = info.roi
    x, y = size_hw[1] / (roi.width or info.width), size_hw[0] / (roi.height or info.height)
    scaled.height, scaled.width = size_hw
    scaled.roi, scaled.binning_x, scaled.binning_y = RegionOfInterest(), 0, 0
    # Integer coordinates are pixel centres in CameraInfo, so the centre of pixel 0 moves too.
    resize = np.array(
        [[x, 0, (x - 1) / 2 - x * roi.x_offset], [0, y, (y - 1) / 2 - y * roi.y_offset], [0, 0, 1]]
    )
    scaled.k = (resize @ np.reshape(info.k, (3, 3))).reshape(-1)
    scaled.p = (resize @ np.reshape(info.p, (3, 4))).reshape(-1)
    return scaled
