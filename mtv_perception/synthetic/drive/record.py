"""A drive as a bag: what the robot's camera and TF publish, and the truth beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtv_perception.bags.writer import BagWriter
from mtv_perception.geometry.camera import Intrinsics, Mounting
from mtv_perception.messages.typestore import builder
from mtv_perception.synthetic.drive.depth import stereo_depth
from mtv_perception.synthetic.drive.route import Placement, Route
from mtv_perception.synthetic.drive.studio import DriveFrame, DriveStudio, TrueObject
from mtv_perception.types import NANOSECONDS

CLASS_NAMES = ("background", "rail", "person", "forklift")
MAP, BASE, OPTICAL = "map", "base_link", "camera_optical"
IMAGES = ("raw", "compressed", "both")
DEPTHS = ("exact", "stereo", "none")
# Drives have to begin at some time; this one is the same for all, so that a seed gives the same
# bytes.
_BEGIN_NS = 1_700_000_000 * NANOSECONDS
_TF_PERIOD_S = 0.02
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 90]


@dataclass(frozen=True)
class RecordOptions:
    """What goes into the bag.

    Attributes:
        images: "raw", "compressed" or "both".
        depth: "exact", "stereo" (with a stereo camera's noise) or "none".
    """

    images: str = "raw"
    depth: str = "exact"

    def __post_init__(self) -> None:
        if self.images not in IMAGES or self.depth not in DEPTHS:
            raise ValueError(
                f"Expected images of {', '.join(IMAGES)} and depth of {', '.join(DEPTHS)}, "
                f"got {self.images!r} and {self.depth!r}."
            )


def record_drive(
    studio: DriveStudio,
    folder: Path,
    options: RecordOptions = RecordOptions(),
    frames: Iterable[DriveFrame] | None = None,
) -> dict[str, int]:
    """Render a drive into a new bag.

    Args:
        studio: the drive.
        folder: of the bag; must not exist.
        options: what goes into it.
        frames: the studio's frames, in order; by default they are rendered here.

    Returns:
        Messages by topic.
    """
    shots = frames if frames is not None else (studio.shoot(k) for k in range(len(studio.times)))
    seed = studio.options.seed
    with BagWriter(folder, about={"drive_seed": str(seed), "made_by": "mtv synth --drive"}) as bag:
        recorder = _Recorder(bag, studio.intrinsics, studio.mounting, options, seed)
        recorder.begin()
        reached = 0.0
        for frame in shots:
            recorder.motion(studio.hall.robot, reached, frame.time_s)
            recorder.frame(frame)
            reached = frame.time_s + _TF_PERIOD_S
        return bag.counts


class _Recorder:
    def __init__(
        self,
        bag: BagWriter,
        intrinsics: Intrinsics,
        mounting: Mounting,
        options: RecordOptions,
        seed: int,
    ) -> None:
        self._bag, self._options, self._seed = bag, options, seed
        self._intrinsics, self._mounting = intrinsics, mounting
        self._build = builder()

    def begin(self) -> None:
        """Where the camera is on the robot, once."""
        turn = _quaternion(self._mounting.rotation)
        fixed = self._transform(_BEGIN_NS, BASE, OPTICAL, self._mounting.position_xyz, turn)
        self._bag.add_topic("/tf_static", "tf2_msgs/msg/TFMessage", latched=True)
        message = self._build.make("tf2_msgs/msg/TFMessage", transforms=[fixed])
        self._bag.write("/tf_static", "tf2_msgs/msg/TFMessage", _BEGIN_NS, message)

    def motion(self, robot: Route, begin_s: float, end_s: float) -> None:
        """Clock and pose of the robot up to a time."""
        for t in [*np.arange(begin_s, end_s - 1e-6, _TF_PERIOD_S).tolist(), end_s]:
            stamp, at = _stamp(t), robot.at(t)
            clock = self._build.make("rosgraph_msgs/msg/Clock", clock=self._build.time(stamp))
            self._bag.write("/clock", "rosgraph_msgs/msg/Clock", stamp, clock)
            pose = self._transform(stamp, MAP, BASE, (at.x, at.y, 0.0), _about_z(at.yaw))
            message = self._build.make("tf2_msgs/msg/TFMessage", transforms=[pose])
            self._bag.write("/tf", "tf2_msgs/msg/TFMessage", stamp, message)

    def frame(self, frame: DriveFrame) -> None:
        """Images, calibration and truth of one moment."""
        build, stamp = self._build, _stamp(frame.time_s)
        header = build.header(stamp, OPTICAL)
        bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
        if self._options.images != "compressed":
            raw = build.image(bgr, "bgr8", header)
            self._bag.write("/camera/image_raw", "sensor_msgs/msg/Image", stamp, raw)
        if self._options.images != "raw":
            _, coded = cv2.imencode(".jpg", bgr, _JPEG)
            topic, kind = "/camera/image_raw/compressed", "sensor_msgs/msg/CompressedImage"
            self._bag.write(
                topic, kind, stamp, build.compressed(coded, "bgr8; jpeg compressed bgr8", header)
            )
        info = _camera_info(self._intrinsics, header)
        self._bag.write("/camera/camera_info", "sensor_msgs/msg/CameraInfo", stamp, info)
        if self._options.depth != "none":
            depth = self._depth(frame, stamp)
            message = _depth_image(depth, header)
            self._bag.write("/camera/depth/image_raw", "sensor_msgs/msg/Image", stamp, message)
        self._truth(frame, stamp, header)

    def _depth(self, frame: DriveFrame, stamp: int) -> np.ndarray:
        if self._options.depth == "exact":
            return frame.depth
        return stereo_depth(
            frame.depth, self._intrinsics, np.random.default_rng([913, self._seed, stamp])
        )

    def _truth(self, frame: DriveFrame, stamp: int, header: Any) -> None:
        build = self._build
        boxes = [(k, 1, box) for k, box in frame.rails.items()]
        boxes += [
            (o.track_id, o.class_id, o.box_xyxy) for o in frame.objects if o.box_xyxy is not None
        ]
        flat = build.make(
            "vision_msgs/msg/Detection2DArray",
            header=header,
            detections=[_detection_2d(header, *item) for item in boxes],
        )
        self._bag.write("/truth/detections", "vision_msgs/msg/Detection2DArray", stamp, flat)
        based = build.header(stamp, BASE)
        solid = build.make(
            "vision_msgs/msg/Detection3DArray",
            header=based,
            detections=[_detection_3d(based, o, frame.base, self._mounting) for o in frame.objects],
        )
        self._bag.write("/truth/detections_3d", "vision_msgs/msg/Detection3DArray", stamp, solid)
        mask = build.image(frame.mask, "mono8", header)
        self._bag.write("/truth/segmentation/mask", "sensor_msgs/msg/Image", stamp, mask)

    def _transform(
        self, stamp: int, parent: str, child: str, xyz: tuple[float, float, float], turn: np.ndarray
    ) -> Any:
        make = self._build.make
        where = make("geometry_msgs/msg/Vector3", **dict(zip("xyz", map(float, xyz), strict=True)))
        transform = make("geometry_msgs/msg/Transform", translation=where, rotation=_turn(turn))
        header = self._build.header(stamp, parent)
        kind = "geometry_msgs/msg/TransformStamped"
        return make(kind, header=header, child_frame_id=child, transform=transform)


def _stamp(seconds: float) -> int:
    return _BEGIN_NS + round(seconds * NANOSECONDS)


def _about_z(angle: float) -> np.ndarray:
    return np.array([0.0, 0.0, np.sin(angle / 2), np.cos(angle / 2)])


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """`(4,)` x, y, z, w of a rotation matrix: the eigenvector of Bar-Itzhack's matrix, 2000."""
    m = rotation
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[2, 1] - m[1, 2]],
            [m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], m[1, 2] + m[2, 1], m[0, 2] - m[2, 0]],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], np.trace(m)],
        ]
    )
    return np.asarray(np.linalg.eigh(k)[1][:, -1])


def _make(msgtype: str, **values: Any) -> Any:
    return builder().make(msgtype, **values)


def _turn(quaternion: np.ndarray) -> Any:
    values = dict(zip("xyzw", quaternion.tolist(), strict=True))
    return _make("geometry_msgs/msg/Quaternion", **values)


def _pose(xyz: np.ndarray, quaternion: np.ndarray) -> Any:
    point = _make("geometry_msgs/msg/Point", **dict(zip("xyz", xyz.tolist(), strict=True)))
    return _make("geometry_msgs/msg/Pose", position=point, orientation=_turn(quaternion))


def _result(class_id: int, score: float, pose: Any) -> Any:
    hypothesis = _make(
        "vision_msgs/msg/ObjectHypothesis", class_id=CLASS_NAMES[class_id], score=float(score)
    )
    uncertain = _make("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36))
    return _make("vision_msgs/msg/ObjectHypothesisWithPose", hypothesis=hypothesis, pose=uncertain)


def _detection_2d(header: Any, track_id: int, class_id: int, box: np.ndarray) -> Any:
    centre = (box[:2] + box[2:]) / 2
    point = _make("vision_msgs/msg/Point2D", x=float(centre[0]), y=float(centre[1]))
    size = (box[2:] - box[:2]).tolist()
    bbox = _make(
        "vision_msgs/msg/BoundingBox2D",
        center=_make("vision_msgs/msg/Pose2D", position=point, theta=0.0),
        size_x=size[0],
        size_y=size[1],
    )
    result = _result(class_id, 1.0, _pose(np.zeros(3), _about_z(0.0)))
    kind = "vision_msgs/msg/Detection2D"
    return _make(kind, header=header, results=[result], bbox=bbox, id=str(track_id))


def _detection_3d(header: Any, item: TrueObject, base: Placement, mounting: Mounting) -> Any:
    """The object's whole box; the pose is the middle of its seen surface.

    The score its visible share.
    """
    offset = item.center[:2] - (base.x, base.y)
    c, s = np.cos(base.yaw), np.sin(base.yaw)
    center = np.array(
        [c * offset[0] + s * offset[1], c * offset[1] - s * offset[0], item.center[2]]
    )
    turn = _about_z(item.yaw - base.yaw)
    seen = bool(np.isfinite(item.surface).all())
    surface = mounting.rotation @ item.surface + mounting.position_xyz if seen else center
    size = dict(zip("xyz", item.size.tolist(), strict=True))
    bbox = _make(
        "vision_msgs/msg/BoundingBox3D",
        center=_pose(center, turn),
        size=_make("geometry_msgs/msg/Vector3", **size),
    )
    result = _result(item.class_id, item.visible if seen else 0.0, _pose(surface, turn))
    kind = "vision_msgs/msg/Detection3D"
    return _make(kind, header=header, results=[result], bbox=bbox, id=str(item.track_id))


def _camera_info(camera: Intrinsics, header: Any) -> Any:
    (height, width), (fx, fy), (cx, cy) = camera.size_hw, camera.focal_xy, camera.centre_xy
    region = _make(
        "sensor_msgs/msg/RegionOfInterest",
        x_offset=0,
        y_offset=0,
        height=0,
        width=0,
        do_rectify=False,
    )
    return _make(
        "sensor_msgs/msg/CameraInfo",
        header=header,
        height=height,
        width=width,
        distortion_model=camera.lens,
        d=np.asarray(camera.distortion, np.float64),
        k=np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1.0]),
        r=np.eye(3).ravel(),
        p=np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1.0, 0]),
        binning_x=0,
        binning_y=0,
        roi=region,
    )


def _depth_image(depth: np.ndarray, header: Any) -> Any:
    """16UC1, millimetres; 0 where nothing is or where it is too far for 16 bits."""
    millimetres = np.where(depth < 65.5, np.rint(depth * 1000), 0).astype("<u2")
    height, width = depth.shape
    return _make(
        "sensor_msgs/msg/Image",
        header=header,
        height=height,
        width=width,
        encoding="16UC1",
        is_bigendian=0,
        step=2 * width,
        data=millimetres.view(np.uint8).reshape(-1),
    )
