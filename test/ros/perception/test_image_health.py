import numpy as np
import pytest

from mtv_perception.ros.perception.health.image_health import ImageHealth, picture_statistics
from mtv_perception.runtime.self_test import busy_picture as picture_with_detail

SIZES = [(48, 64), (120, 160), (480, 640), (1080, 1920), (1, 1), (33, 700)]
PERIOD, FROZEN = 0.1, 2.0


def scene(size_hw=(240, 320), seed=0):
    """A picture full of detail, with the noise of a sensor."""
    noise = np.random.default_rng(seed).integers(-4, 5, (*size_hw, 3))
    return np.clip(picture_with_detail(size_hw).astype(int) + noise, 0, 255).astype(np.uint8)


def flat(value, size_hw=(240, 320)):
    noise = np.random.default_rng(value).integers(-2, 3, (*size_hw, 3))
    return np.clip(np.full((*size_hw, 3), value) + noise, 0, 255).astype(np.uint8)


def hand(size_hw=(240, 320)):
    """Something close before the lens: smooth and reddish."""
    ramp = np.linspace(60, 110, size_hw[1])[None, :, None] * [1.0, 0.6, 0.5]
    return np.broadcast_to(ramp, (*size_hw, 3)).astype(np.uint8)


def judged(pictures, frozen_after=FROZEN):
    """Problems after these pictures at 10 Hz."""
    health, found = ImageHealth(), ("", "")
    for index, picture in enumerate(pictures):
        found = health.see(picture, index * PERIOD, frozen_after)
    return found


@pytest.mark.parametrize(
    ("picture", "problem"),
    [
        (scene(), ""),
        ((scene() * 0.4).astype(np.uint8), ""),
        (np.clip(scene().astype(int) + 80, 0, 255).astype(np.uint8), ""),
        ((scene() * 0.05).astype(np.uint8), "dark"),
        (flat(0), "dark"),
        (flat(255), "overexposed"),
        (flat(127), "covered"),
        (hand(), "covered"),
    ],
)
def test_a_problem_is_named_with_its_figures(picture, problem):
    found, figures = judged([picture] * 9, frozen_after=0)
    assert found == problem
    assert bool(figures) == bool(problem)


def dead(part, colour=(0, 0, 0)):
    """A picture with a part that holds no data."""
    picture = scene()
    picture[part] = colour
    return picture


@pytest.mark.parametrize(
    "part",
    [np.s_[60:], np.s_[:180], np.s_[:, 60:], np.s_[:, :240]],
    ids=["below", "above", "right", "left"],
)
@pytest.mark.parametrize("colour", [(0, 0, 0), (0, 135, 0), (128, 128, 128), (255, 255, 255)])
def test_a_picture_that_is_mostly_empty_is_partly_covered(part, colour):
    assert judged([dead(part, colour)] * 9, frozen_after=0)[0] == "partly_covered"


@pytest.mark.parametrize("colour", [(0, 0, 0), (0, 135, 0)])
@pytest.mark.parametrize("rows", [np.s_[220:], np.s_[120:], np.s_[:120], np.s_[100:140]])
def test_rows_of_zeros_where_there_were_none_are_a_cut_picture(colour, rows):
    problem, figures = judged([scene(), *[dead(rows, colour)] * 9], frozen_after=0)
    assert problem == "cut"
    assert "other pictures of this camera 0%" in figures


def test_a_picture_without_the_bars_of_its_camera_makes_no_cut_of_the_others():
    barred = dead(np.s_[200:])
    for odd, count in ((flat(127), 3), (scene(), 30)):  # no signal; much gain, for a moment
        assert judged([*[barred] * 20, *[odd] * count, *[barred] * 200], frozen_after=0) == ("", "")
    assert (
        judged([*[barred] * 20, *[scene()] * 60, barred, *[barred] * 9], frozen_after=0)[0] == "cut"
    )


def test_a_good_beginning_is_remembered():
    assert judged([*[scene()] * 60, *[dead(np.s_[200:])] * 600], frozen_after=0)[0] == "cut"


def test_black_bars_are_no_cut_picture():
    barred = dead(np.s_[200:])
    assert judged([barred] * 30, frozen_after=0) == ("", "")
    cut = barred.copy()
    cut[150:] = 0
    assert judged([barred, *[cut] * 9], frozen_after=0)[0] == "cut"


@pytest.mark.parametrize("count", [2, 4, 8])
def test_a_few_pictures_in_turn_are_a_frozen_camera(count):
    ring = [scene(seed=index) for index in range(count)]
    assert judged(ring * 20)[0] == "frozen"


def test_a_loop_of_more_pictures_is_none():
    assert judged([scene(seed=index) for index in range(9)] * 9) == ("", "")


def test_a_problem_must_last():
    assert judged([scene(), *[flat(0)] * 4]) == ("", "")
    assert judged([*[flat(0)] * 9, scene()]) == ("", "")


def test_the_same_pixels_are_a_frozen_camera():
    found, figures = judged([scene()] * 25)
    assert found == "frozen" and "25 images" in figures
    assert judged([scene()] * 15) == ("", "")
    assert judged([scene()] * 25, frozen_after=0) == ("", "")
    assert judged([scene(seed=seed) for seed in range(25)]) == ("", "")
    assert judged([*[scene()] * 25, scene(seed=1)]) == ("", "")


def test_a_slow_camera_is_not_frozen_by_two_equal_images():
    health = ImageHealth()
    health.see(scene(), 0.0, FROZEN)
    assert health.see(scene(), 10.0, FROZEN) == ("", "")


def test_several_problems_are_told_together():
    found, figures = judged([flat(0)] * 25)
    assert found == "frozen,dark" and "; " in figures


@pytest.mark.parametrize("size_hw", SIZES)
def test_every_size_is_judged(size_hw):
    found = picture_statistics(flat(200, size_hw))
    assert found.dim <= found.bright <= 255


def test_a_picture_that_shows_nobody_is_known_at_once():
    """Zones act on it; half a second of black images with "free" would be one too much."""
    health = ImageHealth()
    for index, (picture, problem) in enumerate(
        [(scene(), ""), (flat(0), "dark"), (flat(255), "overexposed"), (scene(seed=1), "")]
    ):
        lasting = health.see(picture, index * PERIOD, FROZEN)
        assert lasting == ("", "")
        assert health.at_once[0] == problem and bool(health.at_once[1]) == bool(problem)
