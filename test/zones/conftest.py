import numpy as np
import pytest

from mtv_perception.geometry.camera import FloorCamera, Intrinsics, Mounting


@pytest.fixture
def floor_camera():
    """1.2 m above the floor, 20 degrees down, a little distortion."""
    lens = Intrinsics(
        (480, 640), (525.0, 523.0), (318.2, 241.7), "plumb_bob", (-0.21, 0.06, 6e-4, -4e-4, -5e-3)
    )
    return FloorCamera(lens, Mounting((0.3, 0.0, 1.2), (0.0, 20.0, 0.0)))


@pytest.fixture
def box_of(floor_camera):
    """Makes the box around a person (0.5 m wide, facing the camera) at a floor point, clipped to
    the image.
    """

    def make(x, y, height=1.75, width=0.5):
        corners = np.array(
            [[x, y + side * width / 2, z] for side in (-1, 1) for z in (0.0, height)]
        )
        pixels = floor_camera.points_to_pixels(corners)
        return np.clip([*pixels.min(0), *pixels.max(0)], 0, [640, 480, 640, 480])

    return make
