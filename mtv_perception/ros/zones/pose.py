"""The pose of a zone camera: from the zones file.

Or from TF for as long as TF keeps it the same.
"""

from __future__ import annotations

from mtv_perception.geometry.camera import Mounting
from mtv_perception.geometry.frames import FrameError, Rigid
from mtv_perception.ros.transforms import TransformReader
from mtv_perception.zones.config import TF, CameraConfig

# A pose that differs by less is the same: encoders of a head that stands still jitter.
# At 1.1 m height 0.1 degrees move a point 5 m ahead by 4 cm: less than one pixel row does at
# 640x480.
_SAME_METRES, _SAME_DEGREES = 0.005, 0.1


class CameraPose:
    """Where the camera sits.

    Args:
        camera: says where the pose comes from.
        transforms: of /tf and /tf_static; None where the pose comes from the zones file.
        longest_ns: how old a transform of /tf may be, nanoseconds.
    """

    def __init__(
        self, camera: CameraConfig, transforms: TransformReader | None, longest_ns: int
    ) -> None:
        self._camera, self._transforms, self._longest_ns = camera, transforms, longest_ns
        self._kept: Rigid | None = None
        self._mounting = camera.mounting() if camera.pose_from != TF else None

    def at(self, frame_id: str, stamp_ns: int) -> tuple[Mounting | None, str]:
        """The pose behind an image, or why there is none.

        Args:
            frame_id: of the image's header.
            stamp_ns: of the image.

        Returns:
            The same object for as long as the pose is the same.
        """
        if self._transforms is None:
            return self._mounting, "" if self._mounting else "the zones file names no position"
        try:
            place = self._look(frame_id, stamp_ns)
            if self._kept is None or self._kept.differs(place, _SAME_METRES, _SAME_DEGREES):
                x, y, z = map(float, place.translation)
                self._kept, self._mounting = None, Mounting.from_rotation((x, y, z), place.rotation)
                self._kept = place
        except ValueError as error:
            return None, str(error)
        return self._mounting, ""

    def why_lost(self, frame_id: str, now_ns: int) -> str:
        """Why the pose of the last image no longer holds; empty where it does."""
        if self._transforms is None or self._kept is None:
            return ""
        try:
            place = self._look(frame_id, now_ns)
        except FrameError as error:
            return str(error)
        moved = self._kept.differs(place, _SAME_METRES, _SAME_DEGREES)
        return f"the transform to {frame_id!r} has changed" if moved else ""

    def _look(self, frame_id: str, stamp_ns: int) -> Rigid:
        assert self._transforms is not None
        return self._transforms.lookup(
            self._camera.floor_frame, frame_id, stamp_ns, self._longest_ns
        )
