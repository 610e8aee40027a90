#!/usr/bin/env python3
"""Choose what is added to the mask's logit of each class, on the images that choose.

    research/people/mask_offsets.py MODEL --data $MTV_DATA --folds $MTV_V5/folds --synthetic DIR
        [--run RUN --out RUN]

The pixel's class is the largest logit. Training weighs classes by pixels; IoU weighs them equally.
So an offset for each class can raise the mean IoU. One class after the other takes the offset with
the largest mean of IoU over sets and classes. Sets as in tune.py, those with masks. With `--out`
the biases of a run's last convolution take them up.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtv_perception.data.formats.open import DatasetConfig, open_dataset
from mtv_perception.data.sample import Sample, read_image
from mtv_perception.evaluation.masks import MaskScorer
from mtv_perception.evaluation.settings import SCORING
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.labels import WAREHOUSE
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.mask import segment
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.outputs import Tensor
from mtv_perception.runtime.perceiver import Perceiver
from mtv_perception.training.config import CONFIG_FILE
from mtv_perception.training.state import BEST_FILE, save_state
from mtv_perception.training.trained import note_trained, trained_of_run
from mtv_perception.training.trainer import load_run

PERSON = ("person",)
LOWEST_THRESHOLD = 0.5  # No pixel is unlabelled.
# The smallest of equal ones is taken. At most 1: a pixel stays what it is where its class has three
# times the probability of the next one.
STEPS = np.array(sorted(np.arange(-4, 5) / 4, key=abs))
ROUNDS = 2  # The second takes up what the first changed for the other classes.


@dataclass(frozen=True)
class Seen:
    """An image's raw mask: logits `(h, w, C)` float32 over the network input."""

    sample: Sample
    logits: np.ndarray
    letterbox: Letterbox

    def mask(self, offsets: np.ndarray) -> np.ndarray:
        """Class ids with the offsets, `(H, W)` uint8 in source pixels."""
        logits = Tensor(self.logits + offsets.astype(np.float32))
        return segment(logits, self.letterbox, self.letterbox.source_hw, LOWEST_THRESHOLD).class_ids


def see(perceive: Perceiver, sample: Sample) -> Seen:
    """Run the network on an image."""
    image, spec = read_image(sample.image_path), perceive.spec
    letterbox = Letterbox.fit(image.shape[:2], spec.size_hw, spec.segmentation_stride)
    filled = np.zeros((*spec.size_hw, 3), np.uint8)
    letterbox.write(image, filled)
    found = perceive.raw_outputs(filled).segmentation_logits
    return Seen(sample, found.real(found.values).copy(), letterbox)


def ious(sets: dict[str, list[Seen]], offsets: np.ndarray) -> dict[str, float]:
    """IoU of each class that the masks of a set know, without the background."""
    found = {}
    for name, images in sets.items():
        scorer = MaskScorer(WAREHOUSE, with_boundaries=False)
        for seen in images:
            scorer.add(seen.sample, seen.mask(offsets))
        values = scorer.scores().iou
        found |= {
            f"{name} {label}": float(value)
            for label, value in zip(WAREHOUSE.names[1:], values[1:], strict=True)
            if not np.isnan(value)
        }
    return found


def choose(sets: dict[str, list[Seen]]) -> np.ndarray:
    """The offset of each class, `(C,)`; the background's is 0."""
    offsets = np.zeros(len(WAREHOUSE))
    for _ in range(ROUNDS):
        for class_id in range(1, len(WAREHOUSE)):
            tried = np.tile(offsets, (len(STEPS), 1))
            tried[:, class_id] = STEPS
            means = [np.mean(list(ious(sets, row).values())) for row in tried]
            offsets = tried[int(np.argmax(means))]
    return offsets


def write(run: Path, out: Path, offsets: np.ndarray) -> None:
    """A copy of a run whose averaged weights have the offsets."""
    config, network = load_run(run)
    paths = [weight.path for weight in network.model.weights]
    weights = network.model.get_weights()
    weights[paths.index("decoder_logits/bias")] += offsets.astype(np.float32)
    out.mkdir(parents=True)
    shutil.copy(run / CONFIG_FILE, out)
    note_trained(out, trained_of_run(run, config))
    save_state(out / BEST_FILE, {"average": weights}, 0)


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--synthetic", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="of which MODEL was exported")
    parser.add_argument("--out", type=Path, help="run folder to write")
    args = parser.parse_args()
    if (args.out is None) != (args.run is None):
        parser.error("expected --run and --out together")
    if args.out and args.out.exists():
        parser.error(f"--out: expected a new folder, {args.out} exists")
    configs = {
        "coco_mini": DatasetConfig(args.folds / "coco_mini/check", mask_classes=PERSON),
        "ccp_people": DatasetConfig(args.folds / "ccp_people/check", mask_classes=PERSON),
        "coco_person": DatasetConfig(
            args.data / "coco_person", take="fold:4/5", mask_classes=PERSON
        ),
        "synthetic": DatasetConfig(args.synthetic),
    }
    perceive = Perceiver(load_artefact(find_model(args.model)), SCORING)
    if perceive.spec.labels != WAREHOUSE:
        parser.error(f"{args.model}: expected the classes {WAREHOUSE.names}")
    sets = {
        name: [see(perceive, sample) for sample in open_dataset(config, WAREHOUSE).samples]
        for name, config in configs.items()
    }
    offsets = choose(sets)
    before, after = ious(sets, np.zeros(len(WAREHOUSE))), ious(sets, offsets)
    print("offsets:", dict(zip(WAREHOUSE.names, offsets.tolist(), strict=True)))
    for name, value in before.items():
        print(f"{name}: {value:.4f}, with offsets {after[name]:.4f}")
    if args.out:
        write(args.run, args.out, offsets)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
