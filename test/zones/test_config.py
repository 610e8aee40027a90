from pathlib import Path

import numpy as np
import pytest
import yaml

from mtv_perception.config import from_mapping, load
from mtv_perception.errors import ConfigError
from mtv_perception.zones.config import ZonesConfig

ROOT = Path(__file__).resolve().parents[2]
ZONE = {"name": "a", "polygon": [[1, -1], [2, -1], [2, 1]]}
CIRCLE = [[np.cos(a), np.sin(a)] for a in np.linspace(0, 6, 101).tolist()]
PIXELS = [[0, 0], [640, 0], [640, 480]]
CAMERA = {"position": [0, 0, 1], "zones": [ZONE]}
GOOD = {"cameras": [CAMERA]}


def test_the_example_is_read_and_shows_defaults():
    example = load(ZonesConfig, ROOT / "config" / "zones.yaml")
    plain = yaml.safe_load((ROOT / "config" / "zones.yaml").read_text())
    defaults = from_mapping(ZonesConfig, GOOD)

    assert [zone.name for zone in example.cameras[0].zones] == ["stop", "slow", "doorway"]
    shown = {key: value for key, value in plain.items() if key != "cameras"}
    assert shown == {key: getattr(defaults, key) for key in shown}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "at least one camera"),
        ({"cameras": []}, "at least one camera"),
        ({**GOOD, "deadlin": 1}, "unknown key 'deadlin'"),
        ({**GOOD, "deadline": 0.0}, "deadline"),
        ({**GOOD, "deadline": "1"}, "deadline"),
        ({"cameras": [{**CAMERA, "zones": []}]}, "at least one zone"),
        ({"cameras": [{"zones": [ZONE]}]}, "position"),
        ({"cameras": [{**CAMERA, "position": [0, 0, -1]}]}, "above the floor"),
        ({"cameras": [CAMERA, CAMERA]}, "only once"),
        ({"cameras": [{**CAMERA, "zones": [ZONE, ZONE]}]}, "only once"),
        (
            {"cameras": [CAMERA, {**CAMERA, "name": "rear", "zones": [{**ZONE, "name": "b"}]}]},
            "a name for each of several cameras",
        ),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "name": ""}]}]}, "a name"),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "tests": []}]}]}, "a test"),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "tests": ["box"]}]}]}, "foot, mask"),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "tests": ["smell"]}]}]}, "smell"),
        (
            {
                "cameras": [
                    {**CAMERA, "zones": [{**ZONE, "polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}]}
                ]
            },
            "polygon",
        ),
        (
            {"cameras": [{**CAMERA, "zones": [{**ZONE, "polygon": [[0, 0], [1, 1], [1, 0, 3]]}]}]},
            "2 values",
        ),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "space": "air"}]}]}, "air"),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "polygon": CIRCLE}]}]}, "at most 100 corners"),
        ({"cameras": [{**CAMERA, "zones": [{**ZONE, "polygon": PIXELS}]}]}, "is it in metres"),
        ({"cameras": [{**CAMERA, "intrinsics": {"k": [1, 2]}}]}, "9 numbers"),
        ({"cameras": [{**CAMERA, "intrinsics": {"k": [0] * 9}}]}, "positive focal"),
    ],
)
def test_wrong_files(values, text):
    with pytest.raises(ConfigError, match=text):
        from_mapping(ZonesConfig, values)
