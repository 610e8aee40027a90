"""Zones on the floor or in the image: is one occupied, free, or unknown? No ROS here."""

from mtv_perception.zones.config import CameraConfig, ZoneConfig, ZonesConfig, load_zones
from mtv_perception.zones.judge import Observation, ZoneJudge
from mtv_perception.zones.monitor import CameraMonitor
from mtv_perception.zones.presence import State, Verdict
from mtv_perception.zones.source import DetectionSource, View
from mtv_perception.zones.status import Admission, ZoneStatus

__all__ = [
    "Admission",
    "CameraConfig",
    "CameraMonitor",
    "DetectionSource",
    "Observation",
    "State",
    "Verdict",
    "View",
    "ZoneConfig",
    "ZoneJudge",
    "ZoneStatus",
    "ZonesConfig",
    "load_zones",
]
