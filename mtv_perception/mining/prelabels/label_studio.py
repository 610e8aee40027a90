"""Label Studio's tasks with predictions: a rectangle for each object, a brush for each class.

Source: https://labelstud.io/guide/predictions and, of the run lengths, the packing of
@thi.ng/rle-pack, which `label_studio_sdk.converter.brush` reads.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from mtv_perception.mining.prelabels.base import PreLabel
from mtv_perception.resources import write_whole
from mtv_perception.runtime.artefact import ModelSpec

FILE, CONFIG_FILE = "label_studio.json", "label_studio.xml"
LOCAL_FILES = "/data/local-files/?d=images/"
"""Where Label Studio serves images of its document root, which is the folder that was written."""

_WORD_BITS = 8
_CHANNELS = 4  # a brush is an image of red, green, blue and opacity
# The widths of run lengths to choose from, of which 16 bits hold the longest.
_LENGTH_BITS = (3, 4, 8, 16)


class LabelStudioTasks:
    """`label_studio.json`, and `label_studio.xml` with the labelling interface for it.

    Args:
        folder: to write into.
        spec: of the model.
    """

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self._folder, self._spec = folder, spec
        self._tasks: list[dict[str, Any]] = []

    def add(self, item: PreLabel) -> None:
        """See Form."""
        results = [*self._rectangles(item), *self._brushes(item)]
        for number, result in enumerate(results, 1):
            result["id"] = f"{len(self._tasks) + 1}-{number}"
        prediction = {"model_version": self._spec.model_id, "result": results}
        url = LOCAL_FILES + quote(item.file)
        self._tasks.append({"data": {"image": url}, "predictions": [prediction]})

    def close(self) -> None:
        """See Form."""
        text = json.dumps(self._tasks)
        write_whole(self._folder / FILE, text)
        write_whole(self._folder / CONFIG_FILE, self._interface())

    def _rectangles(self, item: PreLabel) -> list[dict[str, Any]]:
        height, width = item.size_hw
        found, results = item.detections, []
        rows = zip(found.boxes_xyxy.tolist(), found.class_ids, found.scores.tolist(), strict=True)
        for (x0, y0, x1, y1), class_id, score in rows:
            value = {
                **{"x": 100 * x0 / width, "y": 100 * y0 / height},
                **{"width": 100 * (x1 - x0) / width, "height": 100 * (y1 - y0) / height},
                "rotation": 0,
                "rectanglelabels": [self._spec.labels.names[class_id]],
            }
            common = _common(item, "rectanglelabels", "box")
            results.append({**common, "value": value, "score": round(score, 4)})
        return results

    def _brushes(self, item: PreLabel) -> list[dict[str, Any]]:
        results = []
        for name in self._spec.mask_classes if item.mask is not None else ():
            pixels = np.asarray(item.mask == self._spec.labels.id_of(name))
            if pixels.any():
                value = {"format": "rle", "rle": pack_runs(pixels), "brushlabels": [name]}
                results.append({**_common(item, "brushlabels", "mask"), "value": value})
        return results

    def _interface(self) -> str:
        kinds = [("RectangleLabels", "box", self._spec.box_classes)]
        kinds.append(("BrushLabels", "mask", self._spec.mask_classes))
        lines = ["<View>", '  <Image name="image" value="$image" zoom="true"/>']
        for tag, name, classes in kinds:
            if classes:
                lines.append(f'  <{tag} name="{name}" toName="image">')
                lines += [f"    <Label value={quoteattr(c)}/>" for c in classes]
                lines.append(f"  </{tag}>")
        return "\n".join([*lines, "</View>"]) + "\n"


def _common(item: PreLabel, kind: str, tag: str) -> dict[str, Any]:
    height, width = item.size_hw
    size = {"original_width": width, "original_height": height, "image_rotation": 0}
    return {"id": "", "type": kind, "from_name": tag, "to_name": "image", **size}


def pack_runs(pixels: np.ndarray) -> list[int]:
    """A brush `(H, W)` bool as bytes 0..255 of packed runs, each channel 255 on the object.

    Behind the number of values, 32 bits, come the word's width less 1, 5 bits, and the four widths
    of lengths less 1, 4 bits each. A run is a 1, the number of its width, 2 bits, its length less
    1, and its value.
    """
    flat = pixels.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = [0, *changes.tolist()]
    bits = [f"{flat.size * _CHANNELS:032b}{_WORD_BITS - 1:05b}"]
    bits += [f"{width - 1:04b}" for width in _LENGTH_BITS]
    for start, end in zip(starts, [*starts[1:], flat.size], strict=True):
        value = 255 if flat[start] else 0
        bits += _runs((end - start) * _CHANNELS, value)
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _runs(length: int, value: int) -> list[str]:
    """The bits of one run, cut into as many as its length needs."""
    longest = 1 << _LENGTH_BITS[-1]
    parts = [longest] * (length // longest) + [length % longest] * (length % longest > 0)
    bits = []
    for part in parts:
        number = next(i for i, width in enumerate(_LENGTH_BITS) if part <= 1 << width)
        bits.append(f"1{number:02b}{part - 1:0{_LENGTH_BITS[number]}b}{value:0{_WORD_BITS}b}")
    return bits
