import cv2
import numpy as np
import pytest

from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting

MATRIX = np.array([[521.0, 0, 318.3], [0, 524.0, 242.1], [0, 0, 1]])
LENSES = {
    "none": ("plumb_bob", ()),
    "plumb_bob": ("plumb_bob", (-0.28, 0.09, 0.001, -0.0005, -0.01)),
    "plumb_bob_4": ("plumb_bob", (-0.2, 0.05, 0.001, -0.0005)),
    "rational": ("rational_polynomial", (0.5, -0.3, 0.0008, -0.0005, 0.02, 0.8, -0.2, 0.05)),
    "equidistant": ("equidistant", (-0.02, 0.01, -0.003, 0.0004)),
}
POSES = {
    "level": Mounting((0.2, 0.0, 0.6)),
    "down": Mounting((0.35, 0.0, 1.1), (0.0, 18.0, 0.0)),
    "askew": Mounting((-0.4, 0.3, 2.5), (3.0, 35.0, -40.0)),
    "straight_down": Mounting((0.0, 0.0, 4.0), (0.0, 90.0, 0.0)),
}


def camera(lens, pose):
    model, coefficients = LENSES[lens]
    return FloorCamera(Intrinsics.from_matrix((480, 640), MATRIX, model, coefficients), POSES[pose])


def opencv_pixels(lens, pose, floor_xy):
    """OpenCV's projection of floor points with axes built by hand; integers are its pixel
    centres.
    """
    roll, pitch, yaw = np.deg2rad(POSES[pose].rpy_deg)
    turn = cv2.Rodrigues(np.array([0, 0, yaw]))[0] @ cv2.Rodrigues(np.array([0, pitch, 0]))[0]
    turn = turn @ cv2.Rodrigues(np.array([roll, 0, 0]))[0]
    forward, left, up = turn.T
    rotation = np.stack([-left, -up, forward])
    translation = -rotation @ np.array(POSES[pose].position_xyz)
    points = np.column_stack([floor_xy, np.zeros(len(floor_xy))])[:, None]
    vector, d = cv2.Rodrigues(rotation)[0], np.array(LENSES[lens][1])
    if lens == "equidistant":
        pixels = cv2.fisheye.projectPoints(points, vector, translation[:, None], MATRIX, d)[0]
    else:
        pixels = cv2.projectPoints(points, vector, translation, MATRIX, d if len(d) else None)[0]
    return pixels[:, 0] + 0.5


def floor_points(seen):
    """Floor points spread over the image."""
    x, y = np.meshgrid(np.linspace(1, 639, 25), np.linspace(1, 479, 19))
    floor = seen.pixels_to_floor(np.stack([x, y], -1).reshape(-1, 2))
    return floor[np.isfinite(floor).all(1) & (np.hypot(*(floor - seen.nadir_xy).T) < 30)]


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("lens", LENSES)
def test_known_floor_points_are_found_again(lens, pose, record_property):
    seen = camera(lens, pose)
    truth = floor_points(seen)
    assert len(truth) > 50

    error_cm = 100 * np.hypot(*(seen.pixels_to_floor(opencv_pixels(lens, pose, truth)) - truth).T)

    record_property("largest_error_cm", float(error_cm.max()))
    assert error_cm.max() < 1e-4


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("lens", LENSES)
def test_projects_as_opencv_does(lens, pose):
    seen = camera(lens, pose)
    truth = floor_points(seen)

    np.testing.assert_allclose(
        seen.floor_to_pixels(truth), opencv_pixels(lens, pose, truth), atol=1e-6
    )


@pytest.mark.parametrize("lens", ["plumb_bob", "rational", "equidistant"])
def test_undistorts_as_opencv_does(lens):
    model, coefficients = LENSES[lens]
    intrinsics = Intrinsics.from_matrix((480, 640), MATRIX, model, coefficients)
    pixels = np.random.default_rng(0).uniform([40, 40], [600, 440], (200, 2))
    if lens == "equidistant":
        expected = cv2.fisheye.undistortPoints(
            pixels[:, None] - 0.5, MATRIX, np.array(coefficients)
        )
    else:
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
        with_criteria = getattr(
            cv2, "undistortPointsIter", cv2.undistortPoints
        )  # until OpenCV 4, and since 5
        rest = (np.array(coefficients), np.eye(3), np.eye(3))
        points = np.ascontiguousarray(pixels[:, None] - 0.5)
        if with_criteria is cv2.undistortPoints:
            expected = with_criteria(points, MATRIX, rest[0], criteria=criteria)
        else:
            expected = with_criteria(points, MATRIX, *rest, criteria)

    np.testing.assert_allclose(intrinsics.rays(pixels), expected[:, 0], atol=1e-7)


def test_no_points():
    seen = camera("plumb_bob", "down")

    assert seen.pixels_to_floor(np.empty((0, 2))).shape == (0, 2)
    assert seen.floor_to_pixels(np.empty((0, 2))).shape == (0, 2)


def test_a_level_camera_sees_the_horizon_in_its_middle():
    seen = camera("none", "level")
    below, at, above = seen.pixels_to_floor(
        np.array([[318.8, 300.0], [318.8, 242.6], [318.8, 200.0]])
    )

    np.testing.assert_allclose(below, [0.2 + 0.6 * 524 / 57.4, 0], atol=1e-9)
    assert np.isnan([at, above]).all()


def test_left_in_the_image_is_left_on_the_floor():
    left, right = camera("none", "down").pixels_to_floor(np.array([[100.0, 400.0], [500.0, 400.0]]))

    assert left[1] > 0 > right[1]


def test_nothing_behind_the_camera_is_projected():
    assert np.isnan(camera("none", "level").floor_to_pixels(np.array([[-3.0, 0.0]]))).all()


def test_a_lens_that_folds_does_not_show_far_points_twice():
    folding = Intrinsics((480, 640), (300.0, 300.0), (319.5, 239.5), "plumb_bob", (-0.4,))

    assert np.isfinite(folding.pixels(np.array([[0.8, 0.0]]))).all()
    assert np.isnan(folding.pixels(np.array([[1.2, 0.0]]))).all()
    assert np.isnan(folding.rays(np.array([[319.5 + 0.5 + 300 * 0.75, 240.0]]))).all()


def test_distance_is_from_the_camera():
    np.testing.assert_allclose(
        camera("none", "down").distances(np.array([[3.35, 0.0]])), [np.hypot(3.0, 1.1)]
    )


def test_what_half_a_pixel_is_worth(record_property):
    """Not an error of the method: what a box edge off by half a pixel means on the floor."""
    seen = camera("plumb_bob", "down")
    for distance in (2.0, 5.0, 10.0):
        pixel = seen.floor_to_pixels(np.array([[distance, 0.0]]))
        moved = seen.pixels_to_floor(pixel + np.array([0.0, 0.5]))
        record_property(
            f"half_a_pixel_at_{distance:g}_m_cm", round(100 * abs(float(moved[0, 0]) - distance), 2)
        )
    assert abs(float(moved[0, 0]) - 10.0) < 0.2


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"focal_xy": (0.0, 0.0)}, "positive focal"),
        ({"centre_xy": (float("nan"), 0.0)}, "finite"),
        ({"lens": "fisheye"}, "plumb_bob, rational_polynomial, equidistant"),
        ({"distortion": (0.0,) * 6}, "at most 5"),
        ({"size_hw": (0, 640)}, "image size"),
    ],
)
def test_wrong_calibrations(changes, text):
    values = {
        "size_hw": (480, 640),
        "focal_xy": (500.0, 500.0),
        "centre_xy": (320.0, 240.0),
        **changes,
    }
    with pytest.raises(ValueError, match=text):
        Intrinsics(**values)


def test_wrong_poses_and_matrices():
    with pytest.raises(ValueError, match="above the floor"):
        Mounting((0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="without skew"):
        Intrinsics.from_matrix((480, 640), np.triu(np.ones((3, 3))), "plumb_bob", ())
