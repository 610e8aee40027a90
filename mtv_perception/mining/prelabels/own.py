"""This package's own layout: `annotations.json`, `masks/` and, with masks, `classes.txt`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtv_perception.data.coco_writer import write_index
from mtv_perception.data.sample import Sample
from mtv_perception.media.write import write_image
from mtv_perception.mining.prelabels.base import PreLabel
from mtv_perception.runtime.artefact import ModelSpec


class OwnLayout:
    """The layout that every command reads.

    Args:
        folder: to write into.
        spec: of the model.
    """

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self._folder, self._spec = folder, spec
        self._samples: list[Sample] = []

    def add(self, item: PreLabel) -> None:
        """See Form."""
        found, mask_path = item.detections, None
        if item.mask is not None:
            mask_path = self._folder / "masks" / f"{Path(item.file).stem}.png"
            mask_path.parent.mkdir(exist_ok=True)
            write_image(mask_path, item.mask)
        sample = Sample(
            self._folder / "images" / item.file,
            item.size_hw,
            found.boxes_xyxy,
            found.class_ids,
            np.zeros(len(found), bool),
            mask_path,
        )
        self._samples.append(sample)

    def close(self) -> None:
        """See Form."""
        files = [sample.image_path.name for sample in self._samples]
        write_index(self._folder, self._spec.labels, files, self._samples)
