"""Augmentation: one coloured rectangle as image, box and mask must stay one thing through every
step.
"""

from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from mtv_perception.data import augment as module
from mtv_perception.data.augment import (
    OFF,
    AugmentConfig,
    augment,
    cast,
    copy_paste,
    degrade,
    photometric,
)
from mtv_perception.data.scene import EVERYTHING_KNOWN, Scene

RED, GREY = np.array((220, 30, 30)), np.array((110, 110, 110))
SIZE_HW = (96, 128)
EVERYTHING = AugmentConfig(
    flip=0.5, mosaic=0.5, crop=0.5, zoom_out=1.0, copy_paste=0.5, degrade=1.0, brightness=40, hue=20
)


DEGRADATIONS = ("blur", "noise", "jpeg", "low_resolution")


def rectangle(box=(40, 20, 90, 80), size_hw=(100, 140), colour=RED, class_id=2):
    image = np.full((*size_hw, 3), GREY, np.uint8)
    truth = np.zeros((*size_hw, 3), np.uint16)
    truth[..., 1:] = EVERYTHING_KNOWN
    boxes = np.empty((0, 4), np.float32)
    if box is not None:
        x0, y0, x1, y1 = box
        image[y0:y1, x0:x1] = colour
        truth[y0:y1, x0:x1, 0] = class_id
        boxes = np.float32([box])
    return Scene(
        image, boxes, np.full(len(boxes), class_id, np.int32), np.zeros(len(boxes), bool), truth
    )


def run(config, seed=0, scene=None):
    scene = rectangle() if scene is None else scene
    return augment(lambda rng: scene, SIZE_HW, config, np.random.default_rng(seed))


def check_together(scene, tolerance=1.0):
    """Each box is the extent of the red pixels in it; each red region has its colour. Returns the
    boxes checked.
    """
    checked = 0
    red = scene.truth[..., 0] == 2
    for box, crowd in zip(scene.boxes_xyxy, scene.crowd, strict=True):
        x0, y0, x1, y1 = np.round(box).astype(int)
        inner = np.zeros(red.shape, bool)
        inner[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1] = True
        y, x = np.nonzero(red & inner)
        found = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
        np.testing.assert_allclose(box, found, atol=tolerance)
        checked += not crowd
    if red.any():
        assert (np.abs(scene.image[red].astype(int) - RED).max(1) < 60).mean() > 0.8
    assert not red[~np.isin(scene.truth[..., 0], (0, 2, 255))].any()
    return checked


GEOMETRY = {
    "flip": replace(OFF, flip=1.0),
    "crop": replace(OFF, crop=1.0, scale=(0.5, 2.5), stretch=0.3),
    "zoom out": replace(OFF, zoom_out=1.0, scale=(0.5, 2.5), stretch=0.3),
    "flip and crop": replace(OFF, flip=1.0, crop=1.0, scale=(0.5, 2.5), stretch=0.3),
    "mosaic": replace(OFF, mosaic=1.0),
    "mosaic with crop": replace(OFF, mosaic=1.0, crop=1.0, scale=(0.7, 1.5)),
    "off": OFF,
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_image_box_and_mask_move_together(name):
    checked = sum(check_together(run(GEOMETRY[name], seed)) for seed in range(40))
    assert checked >= 30


def test_mosaic_joins_four():
    scene = run(GEOMETRY["mosaic"])
    assert scene.image.shape == (*SIZE_HW, 3) and len(scene.boxes_xyxy) == 4


@pytest.mark.parametrize("times", [1, 3])
def test_pasted_objects_have_the_size_that_their_image_would_give_them(times):
    """A camera of more pixels shows nothing larger."""
    empty, source = rectangle(None, SIZE_HW), rectangle()
    larger = Scene(
        cv2.resize(source.image, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST),
        source.boxes_xyxy * times,
        source.class_ids,
        source.crowd,
        source.truth.repeat(times, 0).repeat(times, 1),
    )
    height = float(np.diff(source.boxes_xyxy[0, 1::2])[0])
    height *= min(s / t for s, t in zip(empty.size_hw, source.size_hw, strict=True))

    for seed in range(30):
        (box,) = copy_paste(empty, larger, np.random.default_rng(seed)).boxes_xyxy
        assert 0.4 * height - 1 <= box[3] - box[1] <= 1.4 * height + 1


def test_pasted_objects_bring_box_mask_and_colour():
    empty, source = rectangle(None, SIZE_HW), rectangle()
    pasted = [copy_paste(empty, source, np.random.default_rng(seed)) for seed in range(30)]
    assert sum(check_together(scene) for scene in pasted) == 30
    assert len({tuple(scene.boxes_xyxy[0]) for scene in pasted}) > 25
    assert not empty.truth[..., 0].any()


def test_a_pasted_object_settles_what_its_pixels_are():
    unknown = rectangle(None, SIZE_HW)
    unknown.truth[:] = (255, 0, 0)
    scene = copy_paste(unknown, rectangle(), np.random.default_rng(1))
    assert (scene.truth[scene.truth[..., 0] == 2][:, 1:] == EVERYTHING_KNOWN).all()
    assert (scene.truth[scene.truth[..., 0] == 255] == (255, 0, 0)).all()


def test_a_covered_object_becomes_a_crowd():
    small, big = rectangle((50, 50, 60, 60), SIZE_HW), rectangle((0, 0, 140, 100))
    covered = [copy_paste(small, big, np.random.default_rng(seed)) for seed in range(60)]
    hidden = [scene for scene in covered if scene.crowd[0]]
    assert hidden and not any(scene.crowd[1] for scene in covered)
    for scene in hidden:
        low = np.maximum(scene.boxes_xyxy[0, :2], scene.boxes_xyxy[1, :2])
        high = np.minimum(scene.boxes_xyxy[0, 2:], scene.boxes_xyxy[1, 2:])
        assert np.prod(high - low) > 0.7 * 100


def test_objects_without_mask_are_not_pasted():
    unmasked, target = rectangle(), rectangle(None, SIZE_HW)
    unmasked.truth[..., 0] = 255
    assert copy_paste(target, unmasked, np.random.default_rng(0)) is target


def test_a_pasted_objects_box_ends_where_its_mask_does():
    """Masks from teachers leave out what they are not sure of: here the lowest tenth."""
    partial = rectangle()
    partial.truth[74:80, :, 0] = 255
    for seed in range(20):
        scene = copy_paste(rectangle(None, SIZE_HW), partial, np.random.default_rng(seed))
        assert check_together(scene) == 1
        width, height = scene.boxes_xyxy[0, 2:] - scene.boxes_xyxy[0, :2]
        assert width / height == pytest.approx(50 / 54, abs=0.1)


def test_an_object_of_which_a_part_is_masked_is_not_pasted():
    half, target = rectangle(), rectangle(None, SIZE_HW)
    half.truth[50:80, :, 0] = 255
    assert copy_paste(target, half, np.random.default_rng(0)) is target


@pytest.mark.parametrize(
    "config", [OFF, EVERYTHING, replace(EVERYTHING, mosaic=1.0, copy_paste=1.0)]
)
def test_empty_boxes_are_no_trouble(config):
    for seed in range(10):
        scene = run(config, seed, rectangle(None))
        assert scene.boxes_xyxy.shape == (0, 4) and scene.boxes_xyxy.dtype == np.float32


def test_seed_decides_everything():
    def same(a, b):
        return all(np.array_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(Scene))

    assert all(same(run(EVERYTHING, seed), run(EVERYTHING, seed)) for seed in range(8))
    assert not any(same(run(EVERYTHING, seed), run(EVERYTHING, seed + 1)) for seed in range(8))


def test_a_probability_of_0_switches_a_step_off():
    plain = run(OFF, 0)
    for seed in range(5):
        np.testing.assert_array_equal(
            run(OFF, seed).image[4:-4], plain.image[4:-4]
        )  # the border's grey is drawn
        np.testing.assert_array_equal(run(OFF, seed).truth, plain.truth)


@pytest.mark.parametrize(
    "change",
    [
        {"flip": 1.0},
        {"mosaic": 1.0},
        {"crop": 1.0, "scale": (0.5, 2.0)},
        {"zoom_out": 1.0, "scale": (0.5, 2.0)},
        {"crop": 1.0, "stretch": 0.5},
        {"copy_paste": 1.0},
        {"brightness": 60.0},
        {"contrast": 0.6},
        {"saturation": 0.9},
        {"hue": 90.0},
        {"degrade": 1.0},
        {"degrade": 1.0, "noise": 0.0},
    ],
    ids=lambda change: next(iter(change)) if len(change) == 1 else "+".join(change),
)
def test_each_step_works_alone(change):
    plain = run(OFF, 5).image[4:-4].astype(int)
    assert np.abs(run(replace(OFF, **change), 5).image[4:-4] - plain).max() > 5


def test_photometric_changes_are_as_large_as_they_say():
    """Brightness counts in grey levels of 255: +-0.1 of a 0..255 image would do nothing."""
    image = np.full((8, 8, 3), 128, np.uint8)
    config = replace(OFF, brightness=40.0)
    levels = [
        photometric(image, config, np.random.default_rng(seed))[0, 0, 0].astype(int)
        for seed in range(300)
    ]
    assert 85 <= min(levels) < 95 and 160 < max(levels) <= 168
    assert np.mean(levels) == pytest.approx(128, abs=5)


def test_contrast_turns_about_the_middle():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    for seed in range(20):
        changed = photometric(ramp, replace(OFF, contrast=0.5), np.random.default_rng(seed))[
            0, :, 0
        ].astype(int)
        assert abs(changed[127] - 127) <= 1 and (np.diff(changed) >= 0).all()


def test_hue_turns_by_degrees_and_leaves_grey_alone():
    config = replace(OFF, hue=20.0)
    red, grey = np.full((4, 4, 3), (200, 50, 50), np.uint8), np.full((4, 4, 3), 90, np.uint8)
    turns = []
    for seed in range(200):
        r, g, b = photometric(red, config, np.random.default_rng(seed))[0, 0].astype(float)
        turns.append(60 * (g - b) / (max(r, g, b) - min(r, g, b)))
        np.testing.assert_array_equal(photometric(grey, config, np.random.default_rng(seed)), grey)
    assert -22 <= min(turns) < -15 and 15 < max(turns) <= 22


def test_saturation_only_moves_towards_or_from_grey():
    colour = np.full((4, 4, 3), (160, 100, 100), np.uint8)
    spreads = [
        np.ptp(
            photometric(colour, replace(OFF, saturation=0.5), np.random.default_rng(s))[
                0, 0
            ].astype(int)
        )
        for s in range(100)
    ]
    assert 28 <= min(spreads) < 36 and 84 < max(spreads) <= 92


def test_colour_is_drawn_for_each_image_anew():
    levels = {int(run(replace(OFF, brightness=60.0), seed).image[48, 20, 0]) for seed in range(20)}
    assert len(levels) > 10


def test_degrade_keeps_the_scene_recognisable():
    image = rectangle().image
    for seed in range(30):
        changed = degrade(image, EVERYTHING, np.random.default_rng(seed))
        assert changed.shape == image.shape and changed.dtype == np.uint8
        assert 0 < np.abs(changed.astype(int) - image).mean() < 15


def test_a_cast_is_grey_in_one_tint():
    rng = np.random.default_rng(0)
    image = np.random.default_rng(1).integers(0, 256, (40, 60, 3), np.uint8)
    spread = np.ptp(image.astype(int), axis=-1).mean()

    changed = [cast(image, rng).astype(float) for _ in range(20)]

    for picture in changed:
        # Without the tint, colours differ by at most the share of its own that is left.
        tint = picture.mean((0, 1)) / picture.mean()
        assert np.ptp(picture / tint, axis=-1).mean() < 0.5 * spread
    assert len({round(picture.mean()) for picture in changed}) > 5


def test_a_cast_comes_only_when_asked_for():
    def colour(share, seed):
        return np.ptp(run(replace(OFF, cast=share), seed).image.astype(int), axis=-1).max()

    plain = [colour(0.0, seed) for seed in range(5)]
    tinted = [colour(1.0, seed) for seed in range(5)]

    assert plain == [190] * 5  # red's own
    assert max(tinted) < 190


def test_each_degradation_can_be_left_out():
    image = rectangle().image
    once = {
        name: degrade(image, replace(OFF, **{**dict.fromkeys(DEGRADATIONS, 0.0), name: 1.0}), rng)
        for name in DEGRADATIONS
        for rng in [np.random.default_rng(1)]
    }
    flat = np.s_[:10, :30]  # far from the rectangle, where noise alone changes anything
    assert [bool((changed[flat] != image[flat]).any()) for changed in once.values()] == [
        False,
        True,
        False,
        False,
    ]
    assert all((changed != image).any() for changed in once.values())
    config = replace(OFF, **dict.fromkeys(DEGRADATIONS, 0.0))
    assert degrade(image, config, np.random.default_rng(0)) is image


@pytest.mark.parametrize(("step", "grows"), [("crop", True), ("zoom_out", False)])
def test_cropping_enlarges_and_zooming_out_shrinks(step, grows):
    full = run(OFF).boxes_xyxy[0]
    config = replace(OFF, **{step: 1.0}, scale=(0.5, 2.0))
    scenes = [run(config, seed) for seed in range(40)]
    whole = [
        box
        for scene in scenes
        for box in scene.boxes_xyxy
        if box.min() > 0 and box[2] < SIZE_HW[1] and box[3] < SIZE_HW[0]
    ]
    assert len(whole) > 5
    ratios = [(box[2] - box[0]) / (full[2] - full[0]) for box in whole]
    assert (
        all(ratio >= 0.99 if grows else ratio <= 1.01 for ratio in ratios)
        and max(ratios) - min(ratios) > 0.2
    )


@pytest.mark.parametrize("least", [0.3, 0.9])
def test_a_crop_leaves_as_much_of_an_object_as_was_drawn(monkeypatch, least):
    monkeypatch.setattr(module, "_LEAST_OVERLAPS", (least,))
    small, scale = rectangle((60, 40, 70, 50)), 2 * SIZE_HW[1] / 140
    shares = []
    for seed in range(60):
        (box,) = run(replace(OFF, crop=1.0, scale=(2.0, 2.0001)), seed, small).boxes_xyxy
        shares.append(np.prod(box[2:] - box[:2]) / (10 * scale) ** 2)
    assert min(shares) >= least - 0.01
    assert least > 0.5 or min(shares) < 0.95


def test_an_object_that_no_trial_leaves_enough_of_keeps_its_centre(monkeypatch):
    monkeypatch.setattr(module, "_LEAST_OVERLAPS", (0.9,))
    large = rectangle((0, 0, 140, 100))
    for seed in range(20):
        (box,) = run(replace(OFF, crop=1.0, scale=(2.0, 2.0001)), seed, large).boxes_xyxy
        np.testing.assert_array_equal(box, [0, 0, *SIZE_HW[::-1]])
