"""What the web page is told of each message, and that old news is marked as old."""

import math
import time

import pytest

pytest.importorskip("rclpy", reason="needs a ROS 2")

from geometry_msgs.msg import Point, Pose
from nav_msgs.msg import MapMetaData, OccupancyGrid
from std_msgs.msg import ColorRGBA
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    Detection3D,
    Detection3DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
)
from visualization_msgs.msg import Marker, MarkerArray

from mtv_perception.msg import ZoneState, ZoneStateArray
from mtv_perception.ros.tools.view_parts import (
    counts_by_class,
    floor_cells,
    places,
    zone_outlines,
    zone_states,
)
from mtv_perception.ros.tools.view_state import ViewState


def guess(name, x=0.0, y=0.0):
    found = ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(class_id=name, score=0.9))
    found.pose.pose.position = Point(x=x, y=y)
    return found


def test_detections_are_counted_by_class():
    boxes = [Detection2D(results=[guess(n)]) for n in ("person", "rail", "person")]
    assert counts_by_class(Detection2DArray(detections=[*boxes, Detection2D()])) == {
        "person": 2,
        "rail": 1,
    }


@pytest.mark.parametrize(
    "valid, occupied, word",
    [(True, True, "occupied"), (True, False, "free"), (False, True, "unknown")],
)
def test_a_zone_that_is_not_valid_is_unknown_whatever_else_it_says(valid, occupied, word):
    zone = ZoneState(name="stop", valid=valid, occupied=occupied, reason="no mask")
    assert zone_states(ZoneStateArray(zones=[zone])) == [
        {"name": "stop", "state": word, "reason": "no mask"}
    ]


def test_zones_that_are_left_out_are_told():
    zones = [ZoneState(name=str(i), valid=True) for i in range(350)]
    *shown, last = zone_states(ZoneStateArray(zones=zones))
    assert last["name"] == f"{350 - len(shown)} more" and last["state"] == "unknown"


def test_an_outline_is_never_drawn_in_part():
    around = [Point(x=float(i), y=float(i % 2)) for i in range(5000)]
    assert zone_outlines(MarkerArray(markers=[Marker(points=around)])) == []


def test_outlines_are_markers_of_three_points_and_more():
    corners = [Point(x=1.0, y=-1.0), Point(x=2.0, y=0.0), Point(x=1.0, y=1.0)]
    outline = Marker(points=corners, color=ColorRGBA(r=1.0, g=0.5, b=0.0, a=1.0))
    broken = Marker(points=[*corners, Point(x=math.nan)])
    message = MarkerArray(markers=[Marker(text="stop"), outline, broken])

    assert zone_outlines(message) == [
        {"corners": [[1.0, -1.0], [2.0, 0.0], [1.0, 1.0]], "colour": [255, 127, 0]}
    ]


def test_places_leave_out_what_is_no_number():
    good = Detection3D(id="7", results=[guess("person", 3.0, 0.5)])
    bad = Detection3D(id="8", results=[guess("person", math.inf)])
    assert places(Detection3DArray(detections=[good, bad, Detection3D()])) == [
        {"id": "7", "class": "person", "x": 3.0, "y": 0.5}
    ]


def grid(data, width, height):
    info = MapMetaData(resolution=0.5, width=width, height=height)
    info.origin = Pose(position=Point(x=0.0, y=-1.0))
    return OccupancyGrid(info=info, data=data)


def test_the_floor_is_a_letter_a_cell_and_other_values_are_unknown():
    assert floor_cells(grid([-1, 0, 50, 100, 7, 0], 3, 2)) == {
        "cells": "ufrouf",
        "width": 3,
        "resolution": 0.5,
        "x": 0.0,
        "y": -1.0,
    }


@pytest.mark.parametrize(
    "message", [grid([0, 0], 3, 2), grid([], 0, 0), grid([0] * 250_000, 500, 500)]
)
def test_a_floor_that_is_too_large_or_contradicts_itself_is_not_shown(message):
    assert floor_cells(message) is None


def test_many_or_long_names_do_not_grow_the_page():
    zones = [ZoneState(name="z" * 100_000)] * 1000
    told = zone_states(ZoneStateArray(zones=zones))

    assert len(told) == 100
    assert len(told[0]["name"]) < 2000


def test_parts_bear_their_age_and_results_their_rate():
    state = ViewState()
    assert state.snapshot()["fps"] == 0
    assert "zones" not in state.snapshot()
    state.tell("zones", [1])
    state.report("m", {}, 1.0, 1.0)
    first = state.snapshot()
    time.sleep(0.05)
    later = state.snapshot()

    assert first["zones"]["content"] == [1]
    assert later["zones"]["age_s"] > first["zones"]["age_s"] >= 0
    assert first["fps"] > 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["resolution", "x", "y"])
def test_a_floor_that_is_nowhere_is_not_shown(field, value):
    message = grid([0] * 6, 3, 2)
    place = message.info if field == "resolution" else message.info.origin.position
    setattr(place, field, value)
    assert floor_cells(message) is None
