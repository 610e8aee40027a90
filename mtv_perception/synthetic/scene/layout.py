"""Puts a scene together: where everything stands and what happens there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mtv_perception.synthetic.building import building, distractors, floor_marks, storage
from mtv_perception.synthetic.building.rails import crossing, make_rail, sample_path
from mtv_perception.synthetic.people.cutouts import Cutout, billboard
from mtv_perception.synthetic.people.outfits import sample_outfit
from mtv_perception.synthetic.people.people import make_person
from mtv_perception.synthetic.people.poses import push, sample_pose, sit
from mtv_perception.synthetic.render.assets import Assets
from mtv_perception.synthetic.render.camera import sample_camera
from mtv_perception.synthetic.render.mesh import Mesh, merge, place, rotation_z, transform
from mtv_perception.synthetic.render.renderer import MAX_CUTOUTS
from mtv_perception.synthetic.render.scene import FORKLIFT, PERSON, RAIL, RenderScene
from mtv_perception.synthetic.scene import lighting
from mtv_perception.synthetic.vehicles.forklifts import make_forklift

Rng = np.random.Generator
SETTINGS = {"aisle": 0.3, "open": 0.28, "dock": 0.16, "production": 0.12, "yard": 0.14}


@dataclass(frozen=True)
class Census:
    """How many targets a scene asks for."""

    rails: int
    people: int
    forklifts: int
    clutter: int


@dataclass
class Plan:
    """The floor plan while a scene is filled.

    Attributes:
        scene: what has been placed.
        yaw: direction of the hall against the camera, radians.
        lane: free strip (y_min, y_max) in the hall's frame, metres.
        reach: how far ahead things are placed, metres.
        taken: (x, y, radius) of what stands on the floor.
    """

    scene: RenderScene
    yaw: float
    lane: tuple[float, float]
    reach: float
    taken: list[tuple[float, float, float]] = field(default_factory=list)

    def find(
        self, rng: Rng, radius: float, near: float, far: float, tries: int = 40
    ) -> tuple[float, float] | None:
        """A free spot in view at a log-uniform distance, or None."""
        half_view = self.scene.camera.fov / 2
        for _ in range(tries):
            distance = float(
                np.exp(rng.uniform(np.log(near), np.log(max(min(far, self.reach), near * 1.05))))
            )
            bearing = rng.uniform(-1.05, 1.05) * half_view
            x, y = distance * np.cos(bearing), distance * np.sin(bearing)
            if self.free(x, y, radius):
                self.taken.append((x, y, radius))
                return float(x), float(y)
        return None

    def free(self, x: float, y: float, radius: float) -> bool:
        """Whether a disc stands clear of everything, the lane's borders and the camera."""
        across = -x * np.sin(self.yaw) + y * np.cos(self.yaw)
        along = x * np.cos(self.yaw) + y * np.sin(self.yaw)
        if (
            not self.lane[0] + radius * 0.8 < across < self.lane[1] - radius * 0.8
            or along > self.reach
            or np.hypot(x, y) < radius + 0.35
        ):
            return False
        return all((x - a) ** 2 + (y - b) ** 2 > (radius + r) ** 2 for a, b, r in self.taken)

    def in_hall(self, mesh: Mesh) -> Mesh:
        """Moves a mesh from the hall's frame to the camera's."""
        return transform(mesh, rotation_z(self.yaw))


def sample_census(rng: Rng) -> Census:
    """Mixes ordinary scenes with empty ones, crowds and crossings."""
    theme = rng.random()
    clutter = int(rng.integers(0, 6))
    if theme < 0.08:
        return Census(0, 0, 0, clutter + 4)
    if theme < 0.16:
        return Census(
            int(rng.integers(0, 2)), int(rng.integers(5, 12)), int(rng.integers(0, 2)), clutter
        )
    if theme < 0.30:
        return Census(int(rng.integers(1, 4)), int(rng.integers(0, 2)), 0, clutter)
    rails = int(rng.choice([0, 1, 2, 3], p=[0.3, 0.48, 0.16, 0.06]))
    people = int(rng.choice([0, 1, 2, 3, 4, 5], p=[0.14, 0.26, 0.26, 0.17, 0.1, 0.07]))
    forklifts = int(rng.choice([0, 1, 2, 3], p=[0.18, 0.52, 0.22, 0.08]))
    return Census(rails, people, forklifts, clutter)


def compose(assets: Assets, rng: Rng, cutouts: list[Cutout] | None = None) -> RenderScene:
    """A complete random scene."""
    setting = str(rng.choice(list(SETTINGS), p=list(SETTINGS.values())))
    plan = _surroundings(assets, setting, rng)
    census = sample_census(rng)
    scene = plan.scene
    _add_rails(plan, assets, census.rails, rng)
    for _ in range(census.forklifts):
        _add_forklift(plan, assets, rng)
    for k in range(census.people):
        if cutouts and len(scene.cutouts) < MAX_CUTOUTS and rng.random() < 0.2:
            _add_cutout(plan, assets, cutouts, rng)
        else:
            _add_person(plan, assets, rng, census.people >= 5 and k > 0)
    _add_pallets(plan, assets, int(rng.integers(0, 6)), rng)
    _add_clutter(plan, assets, census.clutter, rng)
    return scene


def _surroundings(assets: Assets, setting: str, rng: Rng) -> Plan:
    outdoors, dark = setting == "yard", rng.random() < 0.12
    height = 0.0 if outdoors else float(rng.uniform(3.5, 11))
    lamp_on = float(rng.uniform(0.03, 0.25) if dark else rng.uniform(0.5, 1.0))
    light = lighting.outdoor_light(rng) if outdoors else lighting.indoor_light(rng, height, lamp_on)
    scene = RenderScene(sample_camera(rng), light, lighting.sample_ground(rng, outdoors))
    yaw = float(
        rng.normal(0, 0.08) if setting == "aisle" and rng.random() < 0.7 else rng.normal(0, 0.45)
    )
    ahead = float(rng.uniform(8, 45))
    half = float(rng.uniform(1.3, 2.4) if setting == "aisle" else rng.uniform(4, 16))
    shift = float(rng.uniform(-0.6, 0.6) * half)
    lane = (shift - half, shift + half)
    racks = setting == "aisle" or (setting in ("open", "dock") and rng.random() < 0.5)
    wall_y = (lane[0] - rng.uniform(1.5, 6), lane[1] + rng.uniform(1.5, 6)) if racks else lane
    bright = float(
        rng.uniform(3, 9) if setting == "dock" and rng.random() < 0.6 else rng.uniform(0.8, 3.0)
    )
    hall = building.Hall((-float(rng.uniform(3, 12)), ahead), wall_y, height, bright)
    plan = Plan(scene, yaw, lane, ahead - 1.0)
    parts = [building.walls(assets, hall, rng)]
    if not outdoors:
        parts_roof = plan.in_hall(building.ceiling(assets, hall, lamp_on, rng))
        scene.no_shadow.append(parts_roof)
    else:
        scene.no_shadow.append(building.sky(assets, float(rng.uniform(0.9, 1.8)), rng))
    scene.no_shadow.append(plan.in_hall(parts[0]))
    scene.ground_layers.append(building.floor_mesh())
    if racks:
        _add_racks(plan, assets, hall, setting == "aisle", rng)
    if setting == "production" or (not outdoors and rng.random() < 0.3):
        _add_columns(plan, assets, hall, rng)
    scene.ground_layers += [
        floor_marks.stains(rng),
        plan.in_hall(floor_marks.floor_markings(assets, rng)),
    ]
    return plan


def _add_racks(plan: Plan, assets: Assets, hall: building.Hall, aisle: bool, rng: Rng) -> None:
    tall = min(hall.height - 0.6, float(rng.uniform(2.5, 7.5)))
    start, length = float(rng.uniform(-2, 2.5)), min(hall.x[1] - 1, float(rng.uniform(6, 26)))
    sides = (1, -1) if aisle and rng.random() < 0.8 else (int(rng.choice([1, -1])),)
    for side in sides:
        row = storage.rack_row(assets, rng, length, tall)
        row = (
            place(row, (start, plan.lane[1], 0))
            if side > 0
            else place(row, (start + length, plan.lane[0], 0), np.pi)
        )
        plan.scene.add(plan.in_hall(row))


def _add_columns(plan: Plan, assets: Assets, hall: building.Hall, rng: Rng) -> None:
    gap = rng.uniform(4, 9)
    row = float(rng.uniform(plan.lane[0] + 0.5, plan.lane[1] - 0.5))
    grid = [
        (x, row + k * gap) for x in np.arange(rng.uniform(2, 6), hall.x[1], gap) for k in (-1, 0, 1)
    ]
    spots = [
        (float(x), float(y)) for x, y in grid if plan.lane[0] < y < plan.lane[1] and abs(y) > 0.6
    ]
    plan.scene.add(plan.in_hall(building.columns(assets, hall, spots, rng)))
    c, s = np.cos(plan.yaw), np.sin(plan.yaw)
    plan.taken += [(float(x * c - y * s), float(x * s + y * c), 0.4) for x, y in spots]


def _add_rails(plan: Plan, assets: Assets, count: int, rng: Rng) -> None:
    """Rails that cross are one instance."""
    groups: list[list[np.ndarray]] = []
    for _ in range(count):
        path = sample_path(rng)
        touching = [g for g in groups if any(crossing(path, other) for other in g)]
        groups = [g for g in groups if all(g is not t for t in touching)] + [
            [path, *(p for g in touching for p in g)]
        ]
    for group in groups:
        plan.scene.add_target(RAIL, merge([make_rail(assets, path, rng) for path in group]))


def _add_forklift(plan: Plan, assets: Assets, rng: Rng) -> None:
    machine = make_forklift(assets, rng)
    middle = (machine.fork_tip + machine.rear) / 2
    spot = plan.find(rng, 0.35 * (machine.fork_tip - machine.rear), 2.0, 22)
    if spot is None:
        return
    yaw = float(rng.uniform(0, 2 * np.pi))
    origin = np.array([*spot, 0]) - rotation_z(yaw) @ np.array([middle, 0, 0])
    plan.scene.add_target(FORKLIFT, place(machine.mesh, origin, yaw))
    if rng.random() < 0.35:
        load = storage.loaded_pallet(assets, rng, float(rng.uniform(0.3, 1.2)))
        load = place(
            load,
            (machine.fork_heel + 0.42, 0, machine.lift - 0.07 if machine.lift > 0.09 else 0.0),
            np.pi / 2,
        )
        plan.scene.add(place(load, origin, yaw))
    if machine.seat is not None and rng.random() < 0.5:
        body, _ = make_person(
            sample_outfit(assets, rng), sit(rng) if machine.seated else push(rng), rng
        )
        *perch, turn = machine.seat
        plan.scene.add_target(PERSON, place(place(body, perch, turn), origin, yaw))
    elif machine.seat is None and rng.random() < 0.6:
        walker, _ = make_person(sample_outfit(assets, rng), push(rng), rng)
        plan.scene.add_target(
            PERSON, place(place(walker, (machine.rear - 0.55, 0, 0)), origin, yaw)
        )


def _add_person(plan: Plan, assets: Assets, rng: Rng, gather: bool) -> None:
    spot = plan.find(rng, 0.3, 1.0, 26)
    if gather and plan.taken and rng.random() < 0.6:
        x, y, _ = plan.taken[int(rng.integers(len(plan.taken)))]
        near = (x + rng.normal(0, 0.8), y + rng.normal(0, 0.8))
        spot = near if near[0] > 1.0 and plan.free(*near, 0.22) else spot
    if spot is None:
        return
    body, load = make_person(sample_outfit(assets, rng), sample_pose(rng), rng)
    yaw = float(rng.uniform(0, 2 * np.pi))
    plan.scene.add_target(PERSON, place(body, (*spot, 0), yaw))
    if load is not None:
        plan.scene.add(place(load, (*spot, 0), yaw))


def _add_cutout(plan: Plan, assets: Assets, cutouts: list[Cutout], rng: Rng) -> None:
    """A real person; one that is cut off below stands behind a pallet that hides the cut."""
    chosen = cutouts[int(rng.integers(len(cutouts)))]
    spot = plan.find(rng, 0.4 if chosen.whole else 1.0, 1.5 if chosen.whole else 2.6, 18)
    if spot is None:
        return
    stature = float(rng.normal(1.72, 0.08))
    shown = stature if chosen.whole else stature * float(np.clip(0.4 / chosen.aspect, 0.35, 0.85))
    layer = len(plan.scene.cutouts)
    plan.scene.cutouts.append(chosen.rgba)
    board = billboard(
        chosen,
        layer,
        foot=(*spot, stature - shown),
        height=shown,
        mirrored=bool(rng.random() < 0.5),
        gain=float(rng.uniform(0.8, 1.15)),
    )
    plan.scene.add_target(PERSON, board)
    if not chosen.whole:
        distance, camera = float(np.hypot(*spot)), plan.scene.camera.height
        share = (distance - 0.75) / distance
        top = camera + (stature - shown - camera) * share + 0.08
        screen = storage.screen(assets, rng, max(top, 0.4), max(1.2, 1.3 * shown * chosen.aspect))
        plan.scene.add(
            place(
                screen, (spot[0] * share, spot[1] * share, 0), float(np.arctan2(spot[1], spot[0]))
            )
        )


def _add_pallets(plan: Plan, assets: Assets, count: int, rng: Rng) -> None:
    for _ in range(count):
        spot = plan.find(rng, 0.6, 1.6, 20)
        if spot is not None:
            load = storage.loaded_pallet(assets, rng, float(rng.uniform(0.15, 1.3)))
            plan.scene.add(
                place(load, (*spot, 0), plan.yaw + rng.choice([0, np.pi / 2]) + rng.normal(0, 0.1))
            )


def _add_clutter(plan: Plan, assets: Assets, count: int, rng: Rng) -> None:
    names = list(distractors.KINDS)
    for _ in range(count):
        make, radius = distractors.KINDS[names[int(rng.integers(len(names)))]]
        spot = plan.find(rng, radius, 1.2 + radius, 18)
        if spot is not None:
            plan.scene.add(place(make(assets, rng), (*spot, 0), float(rng.uniform(0, 2 * np.pi))))
    if rng.random() < 0.4:
        spot = plan.find(rng, 0.35, 0.9, 10)
        if spot is not None:
            plan.scene.add(
                place(
                    merge([storage.carton_pile(assets, rng)]), (*spot, 0), float(rng.uniform(0, 6))
                )
            )
