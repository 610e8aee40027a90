"""Calibration files of camera_calibration, for cameras that publish no CameraInfo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.config import read_yaml
from mtv_perception.errors import ConfigError
from mtv_perception.geometry.camera import Intrinsics

_KEYS = (
    "image_width",
    "image_height",
    "camera_matrix",
    "distortion_model",
    "distortion_coefficients",
)


def read_calibration(path: Path) -> Intrinsics:
    """The calibration in a file as camera_calibration writes it and camera drivers read it.

    Raises:
        ConfigError: no such file, or it lacks a key or has wrong values.
    """
    content: Any = read_yaml(path)
    missing = [key for key in _KEYS if key not in (content if isinstance(content, dict) else {})]
    if missing:
        raise ConfigError(
            f"{path}: expected a calibration with {', '.join(_KEYS)}, found no {', '.join(missing)}."
        )
    try:
        size_hw = (int(content["image_height"]), int(content["image_width"]))
        matrix = np.array(content["camera_matrix"]["data"], np.float64)
        bends = tuple(float(v) for v in content["distortion_coefficients"]["data"])
        return Intrinsics.from_matrix(size_hw, matrix, str(content["distortion_model"]), bends)
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigError(f"{path}: expected a calibration, got {error}.") from error
