"""The files for Nav2 use only parameters that its plugins document, and values that fit ours."""

import ast
from pathlib import Path

import pytest
import yaml

from mtv_perception.ros.ranging.settings import LinkConfig

FOLDER = Path(__file__).resolve().parents[2] / "config" / "nav2"
# docs.nav2.org: "Collision Monitor", "Obstacle Layer Parameters", "Inflation Layer Parameters".
MONITOR = [
    "base_frame_id",
    "odom_frame_id",
    "cmd_vel_in_topic",
    "cmd_vel_out_topic",
    "state_topic",
    "transform_tolerance",
    "source_timeout",
    "base_shift_correction",
    "stop_pub_timeout",
    "enable_stamped_cmd_vel",
    "polygons",
    "observation_sources",
]
POLYGON = [
    "type",
    "points",
    "polygon_sub_topic",
    "footprint_topic",
    "radius",
    "action_type",
    "min_points",
    "slowdown_ratio",
    "linear_limit",
    "angular_limit",
    "time_before_collision",
    "simulation_time_step",
    "visualize",
    "polygon_pub_topic",
    "enabled",
    "sources_names",
]
SOURCE = [
    "type",
    "topic",
    "min_height",
    "max_height",
    "enabled",
    "source_timeout",
]
ACTIONS = {
    "stop": set(),
    "slowdown": {"slowdown_ratio"},
    "limit": {"linear_limit", "angular_limit"},
}
LAYERS = {
    "nav2_costmap_2d::ObstacleLayer": [
        "plugin",
        "enabled",
        "footprint_clearing_enabled",
        "min_obstacle_height",
        "max_obstacle_height",
        "combination_method",
        "observation_sources",
    ],
    "nav2_costmap_2d::InflationLayer": [
        "plugin",
        "enabled",
        "inflation_radius",
        "cost_scaling_factor",
        "inflate_unknown",
        "inflate_around_unknown",
    ],
}
OBSERVATION = [
    "topic",
    "sensor_frame",
    "observation_persistence",
    "expected_update_rate",
    "data_type",
    "min_obstacle_height",
    "max_obstacle_height",
    "inf_is_valid",
    "marking",
    "clearing",
    "obstacle_max_range",
    "obstacle_min_range",
    "raytrace_max_range",
    "raytrace_min_range",
]


def monitor():
    text = (FOLDER / "collision_monitor.yaml").read_text()
    return yaml.safe_load(text)["collision_monitor"]["ros__parameters"]


def costmap():
    content = yaml.safe_load((FOLDER / "obstacle_layer.yaml").read_text())
    return content["local_costmap"]["local_costmap"]["ros__parameters"]


def test_collision_monitor_knows_every_parameter():
    content = monitor()
    parts = [*content["polygons"], *content["observation_sources"]]

    assert set(content) - set(parts) <= set(MONITOR)
    for name in content["polygons"]:
        assert set(content[name]) <= set(POLYGON), name
    for name in content["observation_sources"]:
        assert set(content[name]) <= set(SOURCE), name


def test_every_polygon_has_what_its_action_needs():
    content = monitor()
    for name in content["polygons"]:
        polygon = content[name]
        assert ACTIONS[polygon["action_type"]] <= set(polygon), name
        corners = ast.literal_eval(polygon["points"])
        assert len(corners) >= 3
        assert all(len(corner) == 2 for corner in corners)


def test_our_points_lie_inside_the_heights_that_are_looked_at():
    content = monitor()
    height = LinkConfig().obstacle_height
    for name in content["observation_sources"]:
        assert content[name]["min_height"] < height < content[name]["max_height"]
    layer = costmap()["people_layer"]["obstacles"]
    assert layer["min_obstacle_height"] < height < layer["max_obstacle_height"]


@pytest.mark.parametrize("name", costmap()["plugins"])
def test_costmap_layers_know_every_parameter(name):
    layer = costmap()[name]
    sources = layer.get("observation_sources", "").split()

    assert set(layer) - set(sources) <= set(LAYERS[layer["plugin"]])
    for source in sources:
        assert set(layer[source]) <= set(OBSERVATION), source
