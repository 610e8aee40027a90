import cv2
import numpy as np
import pytest

from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting
from mtv_perception.geometry.lens import fitted_lens

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


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("lens", ["none", "plumb_bob", "rational"])
def test_a_rectified_image_shows_the_same_directions(lens, alpha):
    model, coefficients = LENSES[lens]
    raw = Intrinsics.from_matrix((480, 640), MATRIX, model, coefficients)
    d = np.array(coefficients)
    new, _ = cv2.getOptimalNewCameraMatrix(MATRIX, d, (640, 480), alpha)
    projection = np.column_stack([new, np.zeros(3)])
    pixels = np.random.default_rng(0).uniform((60, 60), (580, 420), (50, 2))
    moved = cv2.undistortPoints(pixels[:, None] - 0.5, MATRIX, d, P=new)[:, 0] + 0.5

    rectified = Intrinsics.from_projection((480, 640), projection)

    np.testing.assert_allclose(rectified.rays(moved), raw.rays(pixels), atol=2e-3)


def test_a_projection_of_zeros_is_refused():
    with pytest.raises(ValueError, match="focal"):
        Intrinsics.from_projection((480, 640), np.zeros(12))


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
        ({"distortion": (0.1,) * 9}, "at most 8"),
        ({"distortion": (0.1,) * 5, "lens": "equidistant"}, "at most 4"),
        ({"distortion": (0.1,) * 14, "lens": "rational_polynomial"}, "at most 8"),
        ({"distortion": (0.0, float("nan"))}, "finite"),
        ({"focal_xy": (-500.0, 500.0)}, "positive focal"),
        ({"focal_xy": (500.0, float("nan"))}, "finite"),
        ({"focal_xy": (0.8, 1.1), "centre_xy": (0.5, 0.5)}, "focal length in pixels"),
        ({"centre_xy": (-20.0, 240.0)}, "principal point"),
        ({"centre_xy": (320.0, 700.0)}, "principal point"),
        ({"centre_xy": (159.0, 121.0)}, "of another image size"),
        ({"centre_xy": (636.4, 360.0)}, "of another image size"),
        ({"centre_xy": (238.6, 181.3)}, "of another image size"),
        ({"skew": 60.0}, "little skew"),
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


@pytest.mark.parametrize("centre_xy", [(290.0, 210.0), (300.0, 80.0), (520.0, 250.0)])
def test_a_lens_may_sit_off_the_middle_and_an_image_be_cut_on_one_side(centre_xy):
    assert Intrinsics((480, 640), (500.0, 500.0), centre_xy).centre_xy == centre_xy


def test_wrong_poses_and_matrices():
    with pytest.raises(ValueError, match="above the floor"):
        Mounting((0.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="in metres, up to 50, got .*1200"):
        Mounting((300.0, 0.0, 1200.0), (0.0, 20.0, 0.0))
    with pytest.raises(ValueError, match="little skew"):
        Intrinsics.from_matrix((480, 640), with_entry(0, 1, 100.0), "plumb_bob", ())
    for row, column in ((1, 0), (2, 0), (2, 1), (2, 2)):
        with pytest.raises(ValueError, match="fx s cx"):
            Intrinsics.from_matrix((480, 640), with_entry(row, column, 0.5), "plumb_bob", ())


def with_entry(row, column, value):
    changed = MATRIX.copy()
    changed[row, column] = value
    return changed


NEAR = (-0.2, 0.05, 0.001, -0.0005)
RATIONAL = LENSES["rational"][1]
FISHEYE = LENSES["equidistant"][1]


@pytest.mark.parametrize(
    ("model", "given", "lens", "used"),
    [
        ("plumb_bob", (), "plumb_bob", ()),
        ("", (), "plumb_bob", ()),
        ("plumb_bob", NEAR, "plumb_bob", NEAR),
        ("plumb_bob", (*NEAR, 0.01), "plumb_bob", (*NEAR, 0.01)),
        ("plumb_bob", (*NEAR, 0.01, 0.0, 0.0, 0.0), "plumb_bob", (*NEAR, 0.01)),
        ("plumb_bob", RATIONAL, "rational_polynomial", RATIONAL),
        ("plumb_bob", (0.0,) * 14, "plumb_bob", (0.0,) * 5),
        ("rational_polynomial", (), "rational_polynomial", ()),
        ("rational_polynomial", RATIONAL + (0.0,) * 4, "rational_polynomial", RATIONAL),
        ("rational_polynomial", RATIONAL + (0.0,) * 6, "rational_polynomial", RATIONAL),
        ("rational_polynomial", RATIONAL[:5], "rational_polynomial", RATIONAL[:5]),
        ("equidistant", (), "equidistant", ()),
        ("equidistant", (*FISHEYE, 0.0), "equidistant", FISHEYE),
        ("equidistant", (*FISHEYE, 0.0, 0.0, 0.0, 0.0), "equidistant", FISHEYE),
    ],
)
def test_padded_and_short_coefficients_are_what_they_mean(model, given, lens, used):
    assert fitted_lens(model, given) == (lens, used)
    plain = Intrinsics.from_matrix((480, 640), MATRIX, lens, used)
    np.testing.assert_array_equal(
        Intrinsics.from_matrix((480, 640), MATRIX, model, given).pixels([[0.1, 0.2]]),
        plain.pixels([[0.1, 0.2]]),
    )


@pytest.mark.parametrize("lens", LENSES)
def test_a_little_skew_is_part_of_the_camera(lens):
    model, coefficients = LENSES[lens]
    skewed = Intrinsics.from_matrix((480, 640), with_entry(0, 1, 3.0), model, coefficients)
    straight = Intrinsics.from_matrix((480, 640), MATRIX, model, coefficients)
    pixels = np.random.default_rng(0).uniform([40, 40], [600, 440], (100, 2))
    rays = skewed.rays(pixels)
    moved = skewed.pixels(rays) - straight.pixels(rays)
    bent_y = (straight.pixels(rays)[:, 1] - 0.5 - MATRIX[1, 2]) / MATRIX[1, 1]

    np.testing.assert_allclose(skewed.pixels(rays), pixels, atol=1e-6)
    np.testing.assert_allclose(moved, np.column_stack([3.0 * bent_y, np.zeros(100)]), atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_a_pose_from_a_rotation_is_the_pose_again(seed):
    random = np.random.default_rng(seed)
    pose = Mounting((1.0, 2.0, 0.5), tuple(random.uniform([-180, -90, -180], [180, 90, 180])))
    again = Mounting.from_rotation(pose.position_xyz, pose.rotation)

    np.testing.assert_allclose(again.rotation, pose.rotation, atol=1e-9)


@pytest.mark.parametrize("pitch", [90.0, -90.0])
def test_a_camera_that_looks_straight_down_or_up_has_a_pose(pitch):
    pose = Mounting((0.0, 0.0, 1.0), (20.0, pitch, 50.0))

    np.testing.assert_allclose(
        Mounting.from_rotation(pose.position_xyz, pose.rotation).rotation, pose.rotation, atol=1e-7
    )
