"""Small labelled folders in YOLO form."""

import cv2
import numpy as np
import pytest


def _write(folder, name, seed, boxes):
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(0, 200, (6, 8, 3)).astype(np.uint8), (160, 120))
    for directory in ("images", "labels"):
        (folder / directory).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "images" / f"{name}.png"), image)
    lines = [f"{class_id} 0.5 0.5 {width} {width}" for class_id, width in boxes]
    (folder / "labels" / f"{name}.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def floor(tmp_path):
    """Write 24 images of `truck` and `worker`; with `splits` in folders train, valid and test."""

    def write(name="floor", splits=False, copies=0):
        root = tmp_path / name
        parts = (("train", 12), ("valid", 6), ("test", 6)) if splits else (("", 24),)
        seed = 0
        for part, count in parts:
            for index in range(count):
                _write(root / part, f"{seed:03d}", seed, [(index % 2, 0.3)])
                seed += 1
        for copy in range(copies):
            _write(root / "test", f"copy{copy}", copy, [(0, 0.3)])
        paths = "".join(f"{key}: {part}/images\n" for key, part in _keys(splits))
        (root / "data.yaml").write_text(f"{paths}names: [truck, worker]\n")
        return root

    return write


def _keys(splits):
    return (("train", "train"), ("val", "valid"), ("test", "test")) if splits else ()
