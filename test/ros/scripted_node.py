"""perception_node with a network that sees white rectangles, and does what the first pixel says.

All else is real: node, worker, parameters, the model's description on the disk and its hash.
"""

from mtv_perception.ros.process.signals import end_at_once

if __name__ == "__main__":
    end_at_once()  # As scripts/perception_node does, before ROS is loaded.

import os
import sys
import time
from pathlib import Path

import numpy as np

from mtv_perception.ros.perception import slot
from mtv_perception.ros.perception.main import perception_main
from mtv_perception.runtime.settings import reading_of
from mtv_perception.types import Detections, Result, Segmentation

FINE, HANGS, RAISES, BREAKS = range(4)
"""What the red value of the first pixel asks for; a network that broke raises until it is loaded again."""

SCORE = 0.9
RELEASE = "MTV_TEST_RELEASE"
"""Environment variable: the file whose appearance lets hanging networks go on."""


class ScriptedPerceiver:
    """Called like a Perceiver."""

    engine = "scripted"

    def __init__(self, source, config, meanwhile=None):
        self.spec, self.config, self._broken = source.read().spec, config, False

    @property
    def reading(self):
        """How the results are to be read."""
        return reading_of(self.spec, self.config)

    def __call__(self, image_rgb):
        """The bounding box of what is white."""
        order = int(image_rgb[0, 0, 0])
        self._broken |= order == BREAKS
        if self._broken or order == RAISES:
            raise RuntimeError("the delegate is lost")
        while order == HANGS and not Path(os.environ[RELEASE]).exists():
            time.sleep(0.01)
        rows, columns = np.nonzero((image_rgb == 255).all(2))
        boxes = (
            [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]] if len(rows) else []
        )
        found = Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.full(len(boxes), SCORE, np.float32),
            np.full(len(boxes), self.spec.labels.id_of("person"), np.int32),
        )
        nothing = np.zeros(image_rgb.shape[:2], np.uint8)
        return Result(found, Segmentation(nothing, nothing), nothing.shape)


if __name__ == "__main__":
    slot.load_perceiver = ScriptedPerceiver
    sys.exit(perception_main())
