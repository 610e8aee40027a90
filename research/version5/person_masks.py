#!/usr/bin/env python3
"""Give box-only folders person masks from two teachers.

DeepLabV3 (VOC classes) and a person segmenter.

    research/version5/person_masks.py IN --deeplab FILE.tflite --segmenter FILE.tflite --take N
    --out DIR

The rules of `mtv data pseudo-masks` hold: a pixel is labelled only where the teachers are sure, a
box whose person does not reach its sides stays unknown. Of the images, N are taken by the order of
their hashed names.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tqdm import tqdm

from mtv_perception.data.formats.open import DatasetConfig, expand, open_dataset
from mtv_perception.data.repair.pseudo_masks import CROP_SIDE, compose, people, write_dataset
from mtv_perception.data.sample import read_image
from mtv_perception.labels import UNLABELED_ID, WAREHOUSE

VOC_PERSON = 15
LOGITS = "ResizeBilinear_1"
LEAST_SIDE_PX = 24
SLACK_PX = np.array([-3, -3, 3, 3])


class DeepLab:
    """A crop `(256, 256, 3)` float32 RGB in 0..1 to the share of a person, `(256, 256)` float32."""

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(
            str(path), num_threads=1, experimental_preserve_all_tensors=True
        )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        (self._logits,) = (d for d in self._interpreter.get_tensor_details() if d["name"] == LOGITS)

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        side = int(self._input["shape"][1])
        image = cv2.resize(np.round(crop * 255).astype(np.uint8), (side, side))
        self._interpreter.set_tensor(self._input["index"], image[None])
        self._interpreter.invoke()
        scale, zero = self._logits["quantization"]
        logits = (
            self._interpreter.get_tensor(self._logits["index"])[0].astype(np.float32) - zero
        ) * scale
        share = np.exp(logits - logits.max(-1, keepdims=True))
        share = share[..., VOC_PERSON] / share.sum(-1)
        return cv2.resize(share, (CROP_SIDE, CROP_SIDE), interpolation=cv2.INTER_CUBIC).clip(0, 1)


class Segmenter:
    """The same, for a network whose output is the share itself."""

    def __init__(self, path: Path) -> None:
        self._interpreter = Interpreter(str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def __call__(self, crop: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._input, crop[None])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output)[0, ..., 0].clip(0, 1)


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--deeplab", type=Path, required=True)
    parser.add_argument("--segmenter", type=Path, required=True)
    parser.add_argument("--take", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    teachers = DeepLab(args.deeplab), Segmenter(args.segmenter)
    dataset = open_dataset(DatasetConfig(args.data), WAREHOUSE)
    chosen = sorted(
        dataset.samples, key=lambda s: hashlib.sha256(s.image_path.name.encode()).hexdigest()
    )
    chosen = chosen[: args.take]
    masks = []
    for sample in tqdm(chosen, mininterval=20):
        boxes = sample.boxes_xyxy[~sample.crowd]
        large = (boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf) >= LEAST_SIDE_PX
        opinion = people(read_image(sample.image_path), boxes[large], teachers)
        mask = compose({"person": opinion}, WAREHOUSE, ["person"])
        for box in np.concatenate([boxes[~large], sample.boxes_xyxy[sample.crowd]]):
            x0, y0, x1, y1 = np.clip(np.round(box).astype(int) + SLACK_PX, 0, None)
            window = mask[y0:y1, x0:x1]
            window[window == 0] = UNLABELED_ID
        masks.append(mask)
    write_dataset(expand(args.data), args.out, WAREHOUSE, chosen, masks)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
