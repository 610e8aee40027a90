"""Random light and floor."""

from __future__ import annotations

import numpy as np

from mtv_perception.synthetic.render.assets import vary
from mtv_perception.synthetic.render.scene import Ground, Light

Rng = np.random.Generator
LAMP_COUNT = 5


def _unit(vector: tuple[float, float, float]) -> np.ndarray:
    v = np.asarray(vector, np.float64)
    return (v / np.linalg.norm(v)).astype(np.float32)


def indoor_light(rng: Rng, height: float, lamp_on: float) -> Light:
    """Ceiling lamps, sometimes with sun through a door; `lamp_on` 0 dark .. 1 bright."""
    blue = rng.uniform(0.75, 1.08)
    tint = np.array([1.0, (1 + blue) / 2 * rng.uniform(0.99, 1.04), blue])
    level = 0.12 + 0.88 * lamp_on
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1.4)
    direct = rng.uniform(0.1, 0.8) if rng.random() < 0.6 else rng.uniform(0.8, 2.2)
    lamps = np.column_stack(
        [
            rng.uniform(-2, 16, LAMP_COUNT),
            rng.uniform(-7, 7, LAMP_COUNT),
            np.full(LAMP_COUNT, height - 0.7),
        ]
    )
    power = rng.uniform(3, 14, (LAMP_COUNT, 1)) * (rng.random((LAMP_COUNT, 1)) < 0.8) * tint * level
    ambient = level * rng.uniform(0.45, 0.9)
    return Light(
        sun_direction=_unit(
            (
                np.cos(azimuth) * np.cos(elevation),
                np.sin(azimuth) * np.cos(elevation),
                np.sin(elevation),
            )
        ),
        sun_color=(direct * tint * level).astype(np.float32),
        sun_radius=float(rng.uniform(0.0008, 0.004)),
        sky_color=(ambient * tint).astype(np.float32),
        ground_color=(ambient * rng.uniform(0.25, 0.5) * np.array([1.0, 0.95, 0.88])).astype(
            np.float32
        ),
        lamp_positions=lamps.astype(np.float32),
        lamp_colors=power.astype(np.float32),
        lamp_rows=float(rng.uniform(0.5, 1.4)),
        lamp_gain=float(rng.uniform(1, 6)) * lamp_on,
        roof_strength=float(rng.uniform(0.7, 1.0)),
        fog_density=float(rng.choice([0.0, rng.uniform(0.001, 0.012)])),
        fog_color=(0.5 * ambient * np.ones(3)).astype(np.float32),
    )


def outdoor_light(rng: Rng) -> Light:
    """Sun or overcast sky."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 1.3)
    sunny = rng.random() < 0.6
    sun = np.array([1.0, 0.93, 0.82]) * (rng.uniform(1.5, 3.0) if sunny else rng.uniform(0, 0.4))
    sky = (
        np.array([0.75, 0.88, 1.05]) * rng.uniform(0.5, 1.0)
        if sunny
        else np.ones(3) * rng.uniform(0.7, 1.1)
    )
    return Light(
        sun_direction=_unit(
            (
                np.cos(azimuth) * np.cos(elevation),
                np.sin(azimuth) * np.cos(elevation),
                np.sin(elevation),
            )
        ),
        sun_color=sun.astype(np.float32),
        sun_radius=0.0008 if sunny else 0.004,
        sky_color=sky.astype(np.float32),
        ground_color=(sky * 0.3 + sun * 0.08).astype(np.float32),
        lamp_positions=np.zeros((LAMP_COUNT, 3), np.float32),
        lamp_colors=np.zeros((LAMP_COUNT, 3), np.float32),
        lamp_rows=1.0,
        lamp_gain=0.0,
        roof_strength=float(rng.uniform(0.5, 0.9)),
        fog_density=float(rng.uniform(0, 0.008)),
        fog_color=(sky * 0.9).astype(np.float32),
    )


def sample_ground(rng: Rng, outdoors: bool) -> Ground:
    """Concrete, coated floor or asphalt."""
    if outdoors:
        color = vary((0.36, 0.36, 0.37) if rng.random() < 0.6 else (0.55, 0.53, 0.5), rng, 0.1)
        params = (
            rng.uniform(0.2, 0.6),
            rng.uniform(0, 0.1),
            rng.uniform(0.7, 0.95),
            rng.choice([0.0, rng.uniform(0.2, 0.6)]),
        )
    else:
        base = (
            (
                (0.60, 0.58, 0.55),
                (0.48, 0.48, 0.48),
                (0.70, 0.69, 0.66),
                (0.36, 0.42, 0.38),
                (0.45, 0.26, 0.2),
                (0.3, 0.33, 0.4),
            )
        )[int(rng.choice(6, p=[0.35, 0.25, 0.16, 0.1, 0.06, 0.08]))]
        color = vary(base, rng, 0.08)
        params = (
            rng.uniform(0.05, 0.3),
            rng.uniform(0, 0.18),
            rng.uniform(0.18, 0.8),
            rng.uniform(0.0, 0.7),
        )
    tint = vary(color, rng, 0.07)
    yaw = rng.choice([0.0, rng.uniform(0, np.pi)])
    slab = (rng.uniform(2, 7), rng.uniform(2, 7), np.cos(yaw), np.sin(yaw))
    return Ground(*(np.asarray(v, np.float32) for v in (color, tint, params, slab, rng.random(2))))
