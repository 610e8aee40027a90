#!/usr/bin/env python3
"""What a training step costs and what feeding it costs, in CPU time, so that a busy machine does
not change the answer.

python tools/bench_training.py research/compare/warehouse-fixed.yaml --json
build/bench-training.json
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mtv_perception.config import load
from mtv_perception.training.config import TrainConfig
from mtv_perception.training.trainer import Trainer


def cost(work: Callable[[], Any], images: int) -> dict[str, float]:
    """CPU seconds an image over all threads, and images a second as the machine is now."""
    wall, cpu = time.monotonic(), time.process_time()
    work()
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    return {
        "cpu_ms_per_image": round(cpu / images * 1e3, 1),
        "images_per_second": round(images / wall, 1),
    }


def main() -> None:
    """Measure the configuration that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--batches", type=int, default=12, help="batches measured (default: %(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    args = parser.parse_args()
    config = load(TrainConfig, args.config)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, Path(folder))
        batches, step = trainer.batches(), trainer.compiled_step()
        batch = next(batches)
        images = args.batches * config.batch_size
        feeding = cost(lambda: [next(batches) for _ in range(args.batches)], images)
        step(batch)
        training = cost(lambda: [step(batch) for _ in range(args.batches)], images)
    share = feeding["cpu_ms_per_image"] / training["cpu_ms_per_image"]
    content = {"pipeline": feeding, "step": training, "pipeline_share_of_step": round(share, 3)}
    print(json.dumps(content, indent=2))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(content, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
