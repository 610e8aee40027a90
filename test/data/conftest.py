import os
from pathlib import Path

import cv2
import numpy as np
import pytest

DEFAULT_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def write_image():
    """Write a grey image of a size (or an array), with its folder."""

    def write(path, content=(40, 60)):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = content if isinstance(content, np.ndarray) else np.full((*content, 3), 90, np.uint8)
        assert cv2.imwrite(str(path), image)
        return path

    return write


@pytest.fixture
def write_mask(write_image):
    """Write a mask of one value, or an array."""

    def write(path, content=0, size_hw=(40, 60)):
        mask = content if isinstance(content, np.ndarray) else np.full(size_hw, content, np.uint8)
        return write_image(path, mask)

    return write


@pytest.fixture
def real_data():
    """The folder of real images that $MTV_DATA names."""
    folder = Path(os.environ.get("MTV_DATA", DEFAULT_DATA))
    if not (folder / "coco_person").is_dir():
        pytest.skip(f"no real images in {folder} (set MTV_DATA)")
    return folder
