"""From pixels to metres: where detections stand, how large they are.

And what of the floor is free.
"""

from mtv_perception.ranging.calibration_file import read_calibration
from mtv_perception.ranging.config import RangingConfig
from mtv_perception.ranging.floor_map import FloorMapConfig, FloorMapper
from mtv_perception.ranging.measure import Measured, Measurements, NotMeasurable, Ranger

__all__ = [
    "FloorMapConfig",
    "FloorMapper",
    "Measured",
    "Measurements",
    "NotMeasurable",
    "Ranger",
    "RangingConfig",
    "read_calibration",
]
