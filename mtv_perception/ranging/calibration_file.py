"""Calibration files of camera_calibration, for cameras that publish no CameraInfo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mtv_perception.config import read_yaml
from mtv_perception.errors import ConfigError
from mtv_perception.geometry.camera import Intrinsics

_SIZE = ("image_width", "image_height")
_LENS = ("camera_matrix", "distortion_model", "distortion_coefficients")
_PROJECTION = ("projection_matrix",)


def read_calibration(path: Path, rectified: bool = False) -> Intrinsics:
    """The calibration in a file as camera_calibration writes it and camera drivers read it.

    Args:
        path: of the file.
        rectified: whether the images are.

    Raises:
        ConfigError: no such file, or it lacks a key or has wrong values.
    """
    content: Any = read_yaml(path)
    keys = (*_SIZE, *(_PROJECTION if rectified else _LENS))
    missing = [key for key in keys if key not in (content if isinstance(content, dict) else {})]
    if missing:
        raise ConfigError(
            f"{path}: expected a calibration with {', '.join(keys)}, found no {', '.join(missing)}."
        )
    try:
        size_hw = (int(content["image_height"]), int(content["image_width"]))
        if rectified:
            projection = np.array(content["projection_matrix"]["data"], np.float64)
            return Intrinsics.from_projection(size_hw, projection)
        matrix = np.array(content["camera_matrix"]["data"], np.float64)
        bends = tuple(float(v) for v in content["distortion_coefficients"]["data"])
        return Intrinsics.from_matrix(size_hw, matrix, str(content["distortion_model"]), bends)
    except (TypeError, KeyError, ValueError) as error:
        raise ConfigError(f"{path}: expected a calibration, got {error}.") from error
