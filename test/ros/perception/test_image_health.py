import cv2
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


def snow(size_hw=(240, 320), mosaic=None, quality=None):
    """Random pixels: of a camera without signal, as a mosaic or a JPEG, too."""
    random = np.random.default_rng(3)
    if mosaic is None:
        picture = random.integers(0, 256, (*size_hw, 3), np.uint8)
    else:
        picture = cv2.cvtColor(random.integers(0, 256, size_hw, np.uint8), mosaic)
    if quality:
        coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        picture = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return picture


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
        (snow(), "noise"),
        (snow((480, 640)), "noise"),
        (snow((480, 640), quality=60), "noise"),
        (snow((1080, 1920), cv2.COLOR_BAYER_RG2RGB), "noise"),
        (snow((240, 320), cv2.COLOR_BAYER_RG2RGB, 90), "noise"),
        (np.where(snow() < 128, 0, 255).astype(np.uint8), "noise"),
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


def repeated(first, picture=None):
    """A picture whose last rows are one row again and again."""
    picture = (scene() if picture is None else picture).copy()
    picture[first:] = picture[first - 1]
    return picture


@pytest.mark.parametrize("grey", [128, 130])
@pytest.mark.parametrize("first", [90, 120, 180])
def test_grey_of_a_decoder_below_is_a_cut_picture_at_once(grey, first):
    problem, figures = judged([dead(np.s_[first:], (grey,) * 3)] * 9, frozen_after=0)
    assert problem == "cut"
    assert f"{1 - first / 240:.0%} of the rows" in figures


@pytest.mark.parametrize("first", [1, 100, 180])
def test_one_row_again_and_again_is_a_cut_picture_at_once(first):
    assert judged([repeated(first)] * 9, frozen_after=0)[0] == "cut"


@pytest.mark.parametrize(
    "picture",
    [
        dead(np.s_[120:], (90, 90, 90)),  # the floor of a simulator
        dead(np.s_[120:], (255, 255, 255)),
        dead(np.s_[:120], (128, 128, 128)),
        dead(np.s_[200:], (128, 128, 128)),
        repeated(200),
    ],
)
def test_what_good_pictures_have_below_is_no_cut_picture(picture):
    assert judged([picture] * 9, frozen_after=0) == ("", "")


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
