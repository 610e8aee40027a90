"""Renders the frames of a drive with their exact truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtv_perception.geometry.camera import Intrinsics, Mounting
from mtv_perception.synthetic.drive.actors import Actor, extent_of, placed
from mtv_perception.synthetic.drive.hall import DriveHall, build_hall
from mtv_perception.synthetic.drive.route import Placement
from mtv_perception.synthetic.drive.sensor import LensMap, Sensor, sample_look
from mtv_perception.synthetic.render.assets import make_assets
from mtv_perception.synthetic.render.camera import FAR, RenderCamera
from mtv_perception.synthetic.render.renderer import Rendered, Renderer
from mtv_perception.synthetic.render.scene import RAIL, RenderScene
from mtv_perception.synthetic.scene.annotate import annotate, class_mask

Floats = NDArray[np.float64]

# Image motion is smooth: it is computed for every so many rendered pixels.
_FLOW_STEP = 4
_FLOW_DT = 0.01


@dataclass(frozen=True)
class DriveOptions:
    """What a drive depends on.

    Attributes:
        seconds: length.
        rate: frames a second.
        seed: of everything random.
        size_hw: of the images, pixels.
        split: pool of assets, "train" or "heldout".
        supersampling: rendered pixels per pixel.
        threads: of the software renderer.
    """

    seconds: float = 30.0
    rate: float = 10.0
    seed: int = 0
    size_hw: tuple[int, int] = (480, 640)
    split: str = "train"
    supersampling: float = 1.0
    threads: int = 2

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("seconds", self.seconds, 0.1, 600.0),
            ("rate", self.rate, 0.1, 120.0),
            ("seed", self.seed, 0, 2**31),
            ("height", self.size_hw[0], 48, 2160),
            ("width", self.size_hw[1], 64, 3840),
        ):
            if not low <= value <= high:
                raise ValueError(f"Expected {name} of {low:g} .. {high:g}, got {value!r}.")


@dataclass(frozen=True)
class TrueObject:
    """A person or machine at the moment of a frame.

    Attributes:
        track_id: the same through the whole drive.
        class_id: what it is.
        center: `(3,)` of its box, map frame, m.
        size: `(3,)` of its box along its own axes, m.
        yaw: of its box, map frame, radians.
        box_xyxy: `(4,)` visible extent, pixels; None where too little of it shows.
        visible: share of it that nothing hides, inside the image.
        surface: `(3,)` median of the surface points that the camera sees, camera's optical frame,
            m; NaN where none.
    """

    track_id: int
    class_id: int
    center: Floats
    size: Floats
    yaw: float
    box_xyxy: Floats | None
    visible: float
    surface: Floats


@dataclass(frozen=True)
class DriveFrame:
    """One frame of a drive.

    Attributes:
        time_s: since the drive began.
        base: pose of the robot's base, map frame.
        rgb: `(H, W, 3)` uint8.
        depth: `(H, W)` float32 m along the optical axis, registered with `rgb`; 0 where nothing is.
        mask: `(H, W)` uint8 class ids.
        rails: class id and visible box, pixels, by track id.
        objects: people and machines, whether the camera sees them or not.
    """

    time_s: float
    base: Placement
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    mask: NDArray[np.uint8]
    rails: dict[int, Floats]
    objects: tuple[TrueObject, ...]


class DriveStudio:
    """One drive: hall, camera and renderer. Close it, or use it as a context manager.

    Args:
        options: what to render.

    Raises:
        RendererUnavailable: without OpenGL over EGL.

    Attributes:
        intrinsics: of the camera.
        mounting: of the camera on the robot's base.
    """

    def __init__(self, options: DriveOptions) -> None:
        self.options = options
        rng = np.random.default_rng([911, options.seed])
        self.intrinsics, self.mounting = _sample_camera(options.size_hw, rng)
        self._lens = LensMap(self.intrinsics, options.supersampling)
        self._sensor = Sensor(self._lens, sample_look(rng))
        assets = make_assets(options.split)
        self.hall: DriveHall = build_hall(assets, options.seconds, options.seed)
        self._renderer = Renderer(self._lens.render_hw, assets.textures, options.threads)
        self._class_ids = [RAIL] * len(self.hall.rails) + [
            actor.class_id for actor in self.hall.actors
        ]

    def __enter__(self) -> DriveStudio:
        return self

    def __exit__(self, *error: object) -> None:
        self._renderer.close()

    @cached_property
    def times(self) -> Floats:
        """The frames' times, seconds."""
        return np.arange(round(self.options.seconds * self.options.rate)) / self.options.rate

    def shoot(self, index: int) -> DriveFrame:
        """Frame `index`. Shoot frames in order.

        The exposure follows the light from frame to frame.
        """
        t = float(self.times[index])
        base = self.hall.robot.at(t)
        rendered = self._renderer.render(self._scene(t), depth=True)
        maps = self._sensor.shutter_maps(self._lens.flow_at(self._flow(rendered, t)))
        rng = np.random.default_rng([912, self.options.seed, index])
        rgb = self._sensor.expose(rendered.color, maps, rng)
        rows, columns = self._nearest(maps[len(maps) // 2])
        instances = rendered.instances[rows, columns]
        depth = _depth(rendered)[rows, columns]
        found = self._annotations(instances, rendered.full_pixels)
        return DriveFrame(
            t,
            base=base,
            rgb=rgb,
            depth=depth,
            mask=class_mask(instances, self._class_ids),
            rails={k + 1: found[k][0] for k in range(len(self.hall.rails)) if k in found},
            objects=tuple(self._objects(t, instances, depth, found)),
        )

    def _scene(self, t: float) -> RenderScene:
        hall = self.hall
        scene = RenderScene(self._camera(t), hall.light, hall.floor)
        scene.ground_layers, scene.no_shadow = [hall.ground], [hall.shell]
        scene.clutter = [hall.clutter, *(placed(load, t) for load in hall.loads)]
        for rail in hall.rails:
            scene.add_target(RAIL, rail)
        for actor in hall.actors:
            scene.add_target(actor.class_id, placed(actor, t))
        return scene

    def _camera(self, t: float) -> RenderCamera:
        base, mounting = self.hall.robot.at(t), self.mounting
        ahead = mounting.position_xyz[0]
        xy = (base.x + ahead * float(np.cos(base.yaw)), base.y + ahead * float(np.sin(base.yaw)))
        roll, pitch, yaw = np.deg2rad(mounting.rpy_deg).tolist()
        return RenderCamera(
            mounting.position_xyz[2],
            pitch=pitch,
            roll=roll,
            fov=self._lens.fov,
            distortion=(0.0, 0.0),
            xy=xy,
            yaw=base.yaw + yaw,
        )

    def _flow(self, rendered: Rendered, t: float) -> NDArray[np.float32]:
        """Image motion `(h, w, 2)`, rendered pixels a second: the camera's and the bodies'."""
        ids = rendered.instances[::_FLOW_STEP, ::_FLOW_STEP]
        depth = _depth(rendered)[::_FLOW_STEP, ::_FLOW_STEP]
        depth = np.where(depth > 0, depth, FAR)
        height, width = self._lens.render_hw
        y, x = np.mgrid[0:height:_FLOW_STEP, 0:width:_FLOW_STEP]
        rays = np.stack(
            [(x + 0.5 - width / 2), (y + 0.5 - height / 2), 0 * x + self._lens.focal], -1
        )
        points = rays / self._lens.focal * depth[..., None]
        now, soon = self._camera(t), self._camera(t + _FLOW_DT)
        moved = points @ _optical_axes(now).T + now.position
        moved += (self._velocities(t) * _FLOW_DT)[ids]
        later = (moved - soon.position) @ _optical_axes(soon)
        shift = (
            later[..., :2] / np.maximum(later[..., 2:], 0.1) - points[..., :2] / depth[..., None]
        )
        return (shift * (self._lens.focal / _FLOW_DT)).astype(np.float32)

    def _velocities(self, t: float) -> Floats:
        """`(N + 1, 3)` by instance id, m/s; 0 stands for what does not move."""
        still = np.zeros((1 + len(self.hall.rails), 2))
        moving = [actor.route.velocity(t) for actor in self.hall.actors]
        return np.pad(np.vstack([still, *moving]), ((0, 0), (0, 1)))

    def _nearest(self, maps: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
        height, width = self._lens.render_hw
        columns = np.clip(np.rint(maps[0]).astype(int), 0, width - 1)
        return np.clip(np.rint(maps[1]).astype(int), 0, height - 1), columns

    def _annotations(self, instances: np.ndarray, full: Floats) -> dict[int, tuple[Floats, float]]:
        """Box and visible share by index of the instance, for what shows enough of itself."""
        scaled = full / self.options.supersampling**2
        found = {}
        for k in np.unique(instances[instances > 0]) - 1:
            one = (instances == k + 1).astype(np.int32)
            (item,) = annotate(one, [self._class_ids[k]], scaled[k : k + 1])
            x, y, w, h = item["bbox"]
            if not item["iscrowd"]:
                found[int(k)] = (np.array([x, y, x + w, y + h], np.float64), float(item["visible"]))
        return found

    def _objects(
        self,
        t: float,
        instances: np.ndarray,
        depth: np.ndarray,
        found: dict[int, tuple[Floats, float]],
    ) -> list[TrueObject]:
        objects = []
        for k, actor in enumerate(self.hall.actors, len(self.hall.rails)):
            box, visible = found.get(k, (None, 0.0))
            center, size, yaw = _true_box(actor, t)
            surface = self._surface(instances == k + 1, depth)
            objects.append(
                TrueObject(k + 1, actor.class_id, center, size, yaw, box, visible, surface)
            )
        return objects

    def _surface(self, hit: np.ndarray, depth: np.ndarray) -> Floats:
        rows, columns = np.nonzero(hit & (depth > 0))
        if len(rows) == 0:
            return np.full(3, np.nan)
        rays = self.intrinsics.rays(np.column_stack([columns + 0.5, rows + 0.5]))
        z = depth[rows, columns].astype(np.float64)
        return np.median(np.column_stack([rays * z[:, None], z]), axis=0)


def _true_box(actor: Actor, t: float) -> tuple[Floats, Floats, float]:
    """Centre (map frame), size (its own axes) and yaw of the box around a body."""
    at, extent = actor.route.at(t), extent_of(actor.body(t))
    middle = (extent.low + extent.high) / 2
    c, s = np.cos(at.yaw), np.sin(at.yaw)
    center = np.array(
        [at.x + c * middle[0] - s * middle[1], at.y + s * middle[0] + c * middle[1], middle[2]]
    )
    return center, extent.high - extent.low, at.yaw


def _depth(rendered: Rendered) -> NDArray[np.float32]:
    depth = rendered.depth
    assert depth is not None
    return np.where(depth < 0.99 * FAR, depth, 0.0).astype(np.float32)


def _optical_axes(camera: RenderCamera) -> Floats:
    """(3, 3): its columns are the optical frame's x (right), y (down) and z (ahead)."""
    ahead, left, up = camera.axes.T
    return np.column_stack([-left, -up, ahead])


def _sample_camera(
    size_hw: tuple[int, int], rng: np.random.Generator
) -> tuple[Intrinsics, Mounting]:
    """A camera 0.5 to 1.5 m above the floor, with a lens as they are calibrated."""
    height, width = size_hw
    focal = width / 2 / np.tan(np.deg2rad(rng.uniform(62, 84)) / 2)
    centre = (
        width / 2 - 0.5 + rng.normal(0, 0.008) * width,
        height / 2 - 0.5 + rng.normal(0, 0.008) * width,
    )
    bend = float(rng.uniform(-0.10, 0.03))
    lens = (bend, float(rng.uniform(0, 0.2) * bend * bend), 0.0, 0.0, 0.0)
    above = float(rng.uniform(0.5, 1.5))
    pitch = 2.0 + 9.0 * (above - 0.5) + float(rng.uniform(-2, 2))
    mounting = Mounting(
        (0.25, 0.0, above), (float(rng.normal(0, 0.6)), pitch, float(rng.normal(0, 1.0)))
    )
    return Intrinsics(size_hw, (focal, focal), centre, "plumb_bob", lens), mounting
