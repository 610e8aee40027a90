import pytest
import yaml

from mtv_perception.errors import ConfigError
from mtv_perception.ranging.calibration_file import read_calibration

RAW = [500.0, 0.0, 320.0, 0.0, 501.0, 240.0, 0.0, 0.0, 1.0]
PROJECTION = [450.0, 0.0, 310.0, 0.0, 0.0, 451.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        content = {
            "image_width": 640,
            "image_height": 480,
            "camera_matrix": {"rows": 3, "cols": 3, "data": RAW},
            "distortion_model": "plumb_bob",
            "distortion_coefficients": {"rows": 1, "cols": 5, "data": [-0.3, 0.1, 0.0, 0.0, 0.0]},
            "projection_matrix": {"rows": 3, "cols": 4, "data": PROJECTION},
        }
        content = {key: value for key, value in {**content, **changes}.items() if value}
        (tmp_path / "camera.yaml").write_text(yaml.safe_dump(content))
        return tmp_path / "camera.yaml"

    return write


def test_raw_images_have_the_lens_and_rectified_ones_the_projection(write):
    raw, rectified = read_calibration(write()), read_calibration(write(), rectified=True)

    assert (raw.focal_xy, raw.centre_xy) == ((500, 501), (320, 240))
    assert raw.distortion == (-0.3, 0.1, 0.0, 0.0, 0.0)
    assert (rectified.focal_xy, rectified.centre_xy) == ((450, 451), (310, 230))
    assert rectified.distortion == ()


@pytest.mark.parametrize(
    ("changes", "rectified", "text"),
    [
        ({"projection_matrix": None}, True, "found no projection_matrix"),
        ({"camera_matrix": None}, False, "found no camera_matrix"),
        ({"projection_matrix": {"data": [0.0] * 12}}, True, "focal"),
        ({"projection_matrix": {"data": RAW}}, True, "camera.yaml"),
    ],
)
def test_what_is_missing_or_wrong_is_named(write, changes, rectified, text):
    with pytest.raises(ConfigError, match=text):
        read_calibration(write(**changes), rectified)
