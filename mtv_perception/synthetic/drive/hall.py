"""The hall that a drive goes through.

Racks with two cross aisles, rails, goods, and who moves when.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mtv_perception.synthetic.building import building, distractors, floor_marks, storage
from mtv_perception.synthetic.building.rails import crossing, make_rail, straight_path
from mtv_perception.synthetic.drive.actors import Actor, RigidActor, Walker
from mtv_perception.synthetic.drive.route import Route
from mtv_perception.synthetic.people.outfits import sample_outfit
from mtv_perception.synthetic.people.people import make_person
from mtv_perception.synthetic.people.poses import push, sit
from mtv_perception.synthetic.render.assets import Assets
from mtv_perception.synthetic.render.mesh import Mesh, merge, place, rotation_z, transform
from mtv_perception.synthetic.render.scene import FORKLIFT, PERSON, Ground, Light
from mtv_perception.synthetic.scene import lighting
from mtv_perception.synthetic.vehicles.forklift_types import Machine
from mtv_perception.synthetic.vehicles.forklifts import make_forklift

Rng = np.random.Generator

# The robot's speed by share of the drive: it slows down where somebody steps out and where a
# machine crosses. m/s.
_SPEEDS = ((0.0, 0.9), (0.30, 0.35), (0.45, 0.9), (0.66, 0.3), (0.82, 0.9), (1.0, 0.9))
_STEP_OUT, _CROSSING = 0.30, 0.66
_GAP = 3.4


@dataclass(frozen=True)
class DriveHall:
    """Everything in a drive.

    Attributes:
        robot: path of the robot's base.
        actors: people and machines; ids follow the rails'.
        loads: what moves without a label.
        rails: one mesh for each connected rail.
        ground: floor and what lies flat on it.
        clutter: all that stands still.
        shell: walls and ceiling, which cast no shadow.
        light: illumination.
        floor: the floor's look.
    """

    robot: Route
    actors: tuple[Actor, ...]
    loads: tuple[Actor, ...]
    rails: tuple[Mesh, ...]
    ground: Mesh
    clutter: Mesh
    shell: Mesh
    light: Light
    floor: Ground


@dataclass(frozen=True)
class _Plan:
    """The measures of one hall: m and s."""

    seconds: float
    half: float
    step_out_x: float
    crossing_x: float
    end_x: float
    robot: Route

    def gaps(self) -> tuple[tuple[float, float], ...]:
        """The cross aisles along x."""
        return tuple((x - _GAP / 2, x + _GAP / 2) for x in (self.step_out_x, self.crossing_x))


def build_hall(assets: Assets, seconds: float, seed: int) -> DriveHall:
    """A hall of the split's assets; the same seed gives the same hall."""
    rng = np.random.default_rng([977, seed])
    plan = _sample_plan(seconds, rng)
    height, lamps_on = float(rng.uniform(4.5, 9)), float(rng.uniform(0.6, 1.0))
    behind = float(rng.uniform(6.0, 8.0))
    shape = building.Hall(
        (-6.0, plan.end_x + 6), (-plan.half - behind, plan.half + behind), height, 2.0
    )
    shell = [building.walls(assets, shape, rng), building.ceiling(assets, shape, lamps_on, rng)]
    ground = [building.floor_mesh(), floor_marks.stains(rng)]
    ground += [place(floor_marks.floor_markings(assets, rng), (x, 0, 0)) for x in (0.0, 14.0)]
    actors, loads = _actors(assets, plan, rng)
    return DriveHall(
        robot=plan.robot,
        actors=tuple(actors),
        loads=tuple(loads),
        rails=tuple(_rails(assets, plan, rng)),
        ground=merge(ground),
        clutter=merge([*_racks(assets, plan, height, rng), *_goods(assets, plan, rng)]),
        shell=merge(shell),
        light=_light(plan, height, lamps_on, rng),
        floor=lighting.sample_ground(rng, outdoors=False),
    )


def _sample_plan(seconds: float, rng: Rng) -> _Plan:
    shares, speeds = np.array(_SPEEDS).T
    times = np.linspace(0, seconds, max(int(seconds * 10), 2) + 1)
    speed = np.interp(times / seconds, shares, speeds)
    run = np.concatenate([[0.0], np.cumsum(speed[:-1] * np.diff(times))])
    wave = rng.uniform(0.1, 0.3) * np.sin(run / rng.uniform(2.0, 3.5) + rng.uniform(0, 6))
    robot = Route(
        [(float(t), float(x), float(y)) for t, x, y in zip(times, run, wave, strict=True)]
    )
    ahead = rng.uniform([3.0, 4.5], [4.2, 6.0])
    step_out = robot.at(_STEP_OUT * seconds).x + float(ahead[0])
    cross = max(robot.at(_CROSSING * seconds).x + float(ahead[1]), step_out + 6.0)
    half = float(rng.uniform(1.9, 2.6))
    return _Plan(seconds, half, step_out, cross, max(float(run[-1]), cross) + 14.0, robot)


def _racks(assets: Assets, plan: _Plan, height: float, rng: Rng) -> list[Mesh]:
    tall = min(height - 0.6, float(rng.uniform(3.0, 4.6)))
    edges = [-3.0, *(edge for gap in plan.gaps() for edge in gap), plan.end_x]
    rows = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        row = storage.rack_row(assets, rng, end - start, tall)
        rows.append(place(row, (start, plan.half, 0)))
        rows.append(place(row, (end, -plan.half, 0), np.pi))
    return rows


def _goods(assets: Assets, plan: _Plan, rng: Rng) -> list[Mesh]:
    """Pallets and look-alikes at the sides of the aisle.

    Clear of the cross aisles and of the robot's way.
    """
    parts, makers = [], list(distractors.KINDS.values())
    for x in np.arange(4.0, plan.end_x, 4.5) + rng.uniform(0, 1.5):
        if any(low - 0.8 < x < high + 0.8 for low, high in plan.gaps()):
            continue
        side = float(rng.choice([-1, 1])) * (plan.half - 0.45)
        if rng.random() < 0.5:
            mesh = storage.loaded_pallet(assets, rng, float(rng.uniform(0.2, 1.0)))
        else:
            mesh = makers[int(rng.integers(len(makers)))][0](assets, rng)
        parts.append(place(mesh, (float(x), side, 0), float(rng.normal(0, 0.15))))
    return parts


def _rails(assets: Assets, plan: _Plan, rng: Rng) -> list[Mesh]:
    """Rails that cross are one thing."""
    across = [float(rng.uniform(3.0, 5.5)), plan.crossing_x + float(rng.uniform(3, 6))]
    paths = [
        _line(2 * plan.half + 4, (x, -plan.half - 2), np.pi / 2 + rng.normal(0, 0.1))
        for x in across
    ]
    side = float(rng.choice([-1, 1])) * float(rng.uniform(0.5, 0.8)) * plan.half
    start = float(rng.uniform(6.5, 9.0))
    paths.append(_line(float(rng.uniform(8, 14)), (start, side), float(rng.normal(0, 0.03))))
    groups: list[list[np.ndarray]] = []
    for path in paths:
        touching = [g for g in groups if any(crossing(path, other) for other in g)]
        groups = [g for g in groups if all(g is not t for t in touching)]
        groups.append([path, *(p for g in touching for p in g)])
    return [merge([make_rail(assets, path, rng) for path in group]) for group in groups]


def _line(length: float, start: tuple[float, float], yaw: float) -> np.ndarray:
    path = straight_path(length, [])
    return path @ rotation_z(yaw).astype(np.float64).T + np.array([*start, 0.0])


def _actors(assets: Assets, plan: _Plan, rng: Rng) -> tuple[list[Actor], list[Actor]]:
    routes = [
        _step_out(plan, rng),
        _towards(plan, rng),
        _ahead(plan, rng),
        _at_the_rack(plan, rng),
        _far_walker(plan, rng),
    ]
    people: list[Actor] = [
        Walker(PERSON, route, sample_outfit(assets, rng), int(rng.integers(2**31)))
        for route in routes
    ]
    crossing_machine, load = _machine(assets, _crossing(plan, rng), rng)
    leaving_machine, second_load = _machine(assets, _leaving(plan, rng), rng)
    return [*people, *crossing_machine, *leaving_machine], [*load, *second_load]


def _step_out(plan: _Plan, rng: Rng) -> Route:
    """A person who comes out from behind a rack and crosses in front of the robot."""
    side, speed = float(rng.choice([-1, 1])), float(rng.uniform(1.1, 1.5))
    x, far = plan.step_out_x + float(rng.uniform(-0.6, 0.6)), plan.half + 2.4
    begin = _STEP_OUT * plan.seconds
    return Route([(begin, x, side * far), (begin + 2 * far / speed, x, -side * far)])


def _towards(plan: _Plan, rng: Rng) -> Route:
    """A person who comes towards the robot and passes beside it."""
    side, speed = (
        float(rng.choice([-1, 1])) * float(rng.uniform(0.9, 1.2)),
        float(rng.uniform(1.0, 1.4)),
    )
    x = float(rng.uniform(11, 14))
    return Route([(0.0, x, side), (12.0, x - 12.0 * speed, side)])


def _ahead(plan: _Plan, rng: Rng) -> Route:
    """A person who walks ahead, stops, and goes on."""
    y, start = float(rng.uniform(-0.6, 0.6)) * plan.half, float(rng.uniform(5, 7))
    pause, middle = 0.4 * plan.seconds, float(rng.uniform(2.0, 4.0))
    x = start + 0.7 * pause
    points = [(0.0, start, y), (pause, x, y), (pause + middle, x, y)]
    aside = -np.sign(y) * 0.8 * plan.half
    return Route([*points, (pause + middle + 20.0, x + 20.0, float(aside))])


def _at_the_rack(plan: _Plan, rng: Rng) -> Route:
    """A person who works at a rack and moves along it now and then."""
    x, y = (
        plan.step_out_x + float(rng.uniform(3.2, 4.5)),
        float(rng.choice([-1, 1])) * (plan.half - 0.45),
    )
    half = plan.seconds / 2
    return Route([(half, x, y), (half + 2.0, x + 1.6, y)], yaw=float(np.sign(y)) * np.pi / 2)


def _far_walker(plan: _Plan, rng: Rng) -> Route:
    """A person who crosses in the distance, behind the second cross aisle."""
    x = plan.crossing_x + float(rng.uniform(-1.0, 1.0))
    begin, far = 0.1 * plan.seconds, plan.half + 3.0
    return Route([(begin, x, far), (begin + 2 * far / 1.2, x, -far)])


def _crossing(plan: _Plan, rng: Rng) -> Route:
    """A machine that crosses the aisle in front of the robot."""
    side, speed, far = float(rng.choice([-1, 1])), float(rng.uniform(1.4, 2.0)), plan.half + 5.0
    begin = _CROSSING * plan.seconds
    return Route(
        [
            (begin, plan.crossing_x, side * far),
            (begin + 2 * far / speed, plan.crossing_x, -side * far),
        ]
    )


def _leaving(plan: _Plan, rng: Rng) -> Route:
    """A machine that stands at the side of the aisle and drives away later."""
    x, y = (
        plan.crossing_x + float(rng.uniform(4, 6)),
        float(rng.choice([-1, 1])) * (plan.half - 0.95),
    )
    begin = 0.35 * plan.seconds
    return Route([(begin, x, y), (begin + 5.0, x + 6.0, 0.6 * y)])


def _machine(assets: Assets, route: Route, rng: Rng) -> tuple[list[Actor], list[Actor]]:
    """A forklift with its driver (both labelled) and sometimes a load (not labelled)."""
    machine = make_forklift(assets, rng, str(rng.choice(["counterbalance", "reach"])))
    middle = (machine.fork_tip + machine.rear) / 2

    def centred(mesh: Mesh) -> Mesh:
        return transform(mesh, np.eye(3), (-middle, 0, 0))

    parts: list[Actor] = [RigidActor(FORKLIFT, route, centred(machine.mesh))]
    if machine.seat is not None:
        parts.append(RigidActor(PERSON, route, centred(_driver(assets, machine, rng))))
    loads: list[Actor] = []
    if rng.random() < 0.5:
        goods = storage.loaded_pallet(assets, rng, float(rng.uniform(0.3, 0.9)))
        lift = machine.lift - 0.07 if machine.lift > 0.09 else 0.0
        loads.append(
            RigidActor(
                0, route, centred(place(goods, (machine.fork_heel + 0.42, 0, lift), np.pi / 2))
            )
        )
    return parts, loads


def _driver(assets: Assets, machine: Machine, rng: Rng) -> Mesh:
    body, _ = make_person(
        sample_outfit(assets, rng), sit(rng) if machine.seated else push(rng), rng
    )
    *perch, turn = machine.seat or (0.0, 0.0, 0.0, 0.0)
    return place(body, perch, turn)


def _light(plan: _Plan, height: float, lamps_on: float, rng: Rng) -> Light:
    """Indoor light with its near lamps spread along the whole aisle."""
    light = lighting.indoor_light(rng, height, lamps_on)
    lamps = light.lamp_positions.copy()
    lamps[:, 0] = np.linspace(1.0, plan.end_x - 2.0, len(lamps))
    lamps[:, 1] = rng.uniform(-0.8, 0.8, len(lamps)) * plan.half
    return replace(light, lamp_positions=lamps)
