"""The demo's figures, from a run whose answer is known, and the clip that it plays."""

import math

import numpy as np
import pytest

from mtv_perception.config import load
from mtv_perception.demo.figures import (
    HallRun,
    cut_figures,
    distance_errors_cm,
    free_while_inside,
    inside,
    reactions_ms,
    read_run,
    state_at,
    summarise,
    unknown_share,
)
from mtv_perception.demo.hall import ZONES, HallClip, HallObject, load_clip, write_settings
from mtv_perception.demo.pictures import TopView, banner, draw_zones, timeline
from mtv_perception.ranging.calibration_file import read_calibration
from mtv_perception.zones.config import ZonesConfig

MS = 1_000_000
START = 1_000_000 * MS


def person(x, y, visible=1.0):
    return HallObject(1, "person", (x, y), 0.0, (0.4, 0.4), visible)


def zones(at, stamp, stop, slow="free", reason=""):
    states = {"stop": stop, "slow": slow}
    return {
        "kind": "zones",
        "at": START + at * MS,
        "stamp": START + stamp * MS,
        "zones": {n: {"state": s, "reason": reason} for n, s in states.items()},
    }


def clip(*frames):
    return HallClip(None, 10.0, load_clip().camera, tuple(frames), {})


def run(lines, frames, again=()):
    stamps = [START + 100 * k * MS for k in range(frames)]
    return read_run(lines, stamps, [START + k * MS for k in again])


OUT, IN = (person(8, 0),), (person(2.4, 0),)


def test_a_zone_is_entered_by_what_the_camera_sees_of_a_footprint():
    assert inside("stop", IN)
    assert not inside("stop", OUT)
    assert not inside("stop", (person(2.4, 0, visible=0.05),))
    assert inside("stop", (person(2.4, 0.95),))  # its side, not its middle


def test_the_reaction_counts_from_the_image_of_the_entry_to_the_arrival_of_the_answer():
    lines = [zones(20, 0, "free"), zones(150, 100, "occupied"), zones(260, 200, "occupied")]
    found = run(lines, 3)

    assert reactions_ms(found, clip(OUT, IN, IN), "stop") == [pytest.approx(50.0)]


def test_a_zone_that_is_occupied_already_reacts_at_once_and_one_that_never_is_never():
    early = run([zones(50, 0, "occupied"), zones(150, 100, "occupied")], 2)
    never = run([zones(50, 0, "free"), zones(150, 100, "free")], 2)

    assert reactions_ms(early, clip(OUT, IN), "stop") == [0.0]
    assert reactions_ms(never, clip(OUT, IN), "stop") == [math.inf]
    figures = summarise(never, clip(OUT, IN))
    assert (figures["entries"]["stop"], figures["entries_answered"]) == (1, 0)
    assert (figures["reaction_ms"]["max"], figures["answered_ms"]["max"]) == (math.inf, None)


@pytest.mark.parametrize("word", ["free", "unknown"])
def test_the_next_visit_is_no_answer_to_the_one_before(word):
    words = ["free", word, "free", "occupied"]
    found = run([zones(100 * k + 50, 100 * k, w) for k, w in enumerate(words)], 4)

    assert reactions_ms(found, clip(OUT, IN, OUT, IN), "stop") == [math.inf, pytest.approx(50.0)]


def test_the_share_of_unknown_counts_results_of_the_drive():
    words = ["free", "unknown", "unknown", "occupied"]
    found = run([zones(100 * k + 50, 100 * k, w) for k, w in enumerate(words)], 4)

    assert unknown_share(found, "stop") == 0.5
    assert unknown_share(found, "slow") == 0.0


@pytest.mark.parametrize(
    "words, expected",
    [
        (("free", "free", "occupied"), 0),  # the image of the entry
        (("free", "free", "free"), 1),
        (("free", "unknown", "unknown"), 0),
        (("occupied", "occupied", "free"), 1),
    ],
)
def test_free_while_somebody_is_inside_is_counted_by_the_image_s_stamp(words, expected):
    lines = [zones(100 * k + 50, 100 * k, word) for k, word in enumerate(words)]

    assert free_while_inside(run(lines, 3), clip(OUT, IN, IN), "stop") == expected


def test_the_lost_camera_is_timed_both_ways_with_its_reason():
    lines = [
        zones(150, 100, "free"),
        zones(640, 600, "unknown", "unknown", "no result for 0.50 s"),
        zones(2120, 2000, "free"),
    ]
    figures = cut_figures(run(lines, 2, again=(2000, 2100)))

    assert figures["unknown_after_ms"] == pytest.approx(540)
    assert figures["known_again_after_ms"] == pytest.approx(120)
    assert figures["reason"] == "no result for 0.50 s"


def test_a_camera_that_stays_away_is_infinite_not_an_error():
    assert cut_figures(run([zones(150, 100, "free")], 2))["known_again_after_ms"] == math.inf


def test_the_state_is_the_last_that_arrived():
    found = run([zones(50, 0, "occupied"), zones(150, 100, "free")], 2)

    assert state_at(found, "stop", START) == "unknown"
    assert state_at(found, "stop", START + 149 * MS) == "occupied"
    assert state_at(found, "stop", START + 150 * MS) == "free"


def test_distances_are_to_the_outline_of_the_nearest_true_object_of_the_class():
    objects = [
        {"class": "person", "xyz": [2.6, 0.1, 0.9], "id": "1", "covariance": [0.01, 0, 0, 0.01]}
    ]
    line = {"kind": "objects", "at": START + MS, "stamp": START, "objects": objects}
    ((reach, error),) = distance_errors_cm(run([line], 1), clip(IN))

    assert reach == pytest.approx(2.4)
    assert error == pytest.approx(0.0)
    objects[0]["xyz"] = [3.1, 0.0, 0.9]
    assert distance_errors_cm(run([line], 1), clip(IN))[0][1] == pytest.approx(50.0)


def test_the_bundled_clip_has_a_truth_for_every_image_and_settings_that_the_nodes_read(tmp_path):
    hall = load_clip()
    zones_file, calibration = write_settings(hall, tmp_path)

    assert len(hall.frames) == 200
    assert any(inside("slow", frame) for frame in hall.frames)
    assert not all(inside("slow", frame) for frame in hall.frames)
    assert {z.name for c in load(ZonesConfig, zones_file).cameras for z in c.zones} == set(ZONES)
    assert read_calibration(calibration).size_hw == hall.camera.intrinsics.size_hw


def test_zones_lie_in_the_clip_s_images():
    camera = load_clip().camera
    height, width = camera.intrinsics.size_hw
    for corners in ZONES.values():
        pixels = camera.floor_to_pixels(np.array(corners))
        assert (pixels > -0.05 * width).all()
        assert (pixels < (1.05 * width, 1.02 * height)).all()


def test_pictures_have_the_colours_of_the_states():
    hall = load_clip()
    states = {"stop": "occupied", "slow": "free"}
    blank = np.zeros((480, 640, 3), np.uint8)
    found = {"class": "person", "id": "4", "xyz": [4.0, 1.0, 0.9], "covariance": [0.04, 0, 0, 0.01]}

    drawn = draw_zones(blank, hall.camera, states)
    above = TopView(480).draw(states, [found], hall.frames[0])
    line = banner(640, states, "10 ms")
    for picture in (drawn, above, line):
        colours = {tuple(c) for c in picture.reshape(-1, 3)}
        assert {(213, 94, 0), (0, 158, 115)} <= colours
    assert not blank.any()


def test_the_timeline_shows_what_was_said_and_what_was_true():
    hall = clip(*[OUT] * 5, *[IN] * 5)
    lines = [zones(20 + 100 * k, 100 * k, "free" if k < 5 else "occupied") for k in range(10)]
    picture = timeline(run(lines, 10), hall)
    colours = {tuple(c) for c in picture.reshape(-1, 3)}

    assert {(213, 94, 0), (0, 158, 115), (30, 30, 30)} <= colours


def test_a_run_without_any_message_has_no_figures_and_no_error():
    empty = HallRun((START,), (), (), {}, (), "")

    assert timeline(empty, clip(OUT)).shape[2] == 3
    assert summarise(empty, clip(OUT))["results"] == 0
