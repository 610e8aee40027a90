import numpy as np
import pytest

from mtv_perception.geometry.boxes import cxcywh_to_xyxy
from mtv_perception.tracking import kalman


def boxes_at(seconds, speed):
    start = np.array([[100.0, 80, 40, 90], [400, 300, 60, 150]])
    return cxcywh_to_xyxy(start + seconds * speed)


def test_no_boxes():
    motion = kalman.correct(kalman.predict(kalman.begin(np.empty((0, 4))), 0.1), np.empty((0, 4)))

    assert len(motion) == 0
    assert motion.boxes_xyxy.shape == (0, 4)


def test_begins_where_the_boxes_are():
    np.testing.assert_allclose(kalman.begin(boxes_at(0, 0)).boxes_xyxy, boxes_at(0, 0))


def test_learns_the_speed():
    speed = np.array([[60.0, -10, 2, 5], [-200, 0, 0, 0]])
    motion = kalman.begin(boxes_at(0, speed))
    for step in range(1, 15):
        motion = kalman.correct(kalman.predict(motion, 0.1), boxes_at(step / 10, speed))

    np.testing.assert_allclose(kalman.predict(motion, 0.3).boxes_xyxy, boxes_at(1.7, speed), atol=3)


def test_matches_the_textbook_matrices():
    """The written-out filter against x = F x, P = F P F' + Q, K = P H' (H P H' + R)^-1 for one
    coordinate.
    """
    motion, dt, size = kalman.begin(np.array([[0.0, 0, 40, 90]])), 0.1, 40.0
    x, p = np.array([20.0, 0]), np.diag([(0.05 * size) ** 2, size**2])
    f, h = np.array([[1, dt], [0, 1]]), np.array([[1.0, 0]])
    g = np.array([[dt**2 / 2], [dt]])
    for seen in (23.0, 27.0, 30.0):
        motion = kalman.correct(
            kalman.predict(motion, dt), np.array([[seen - 20, 0, seen + 20, 90]])
        )
        q = g @ g.T * (2 * size) ** 2
        x, p = f @ x, f @ p @ f.T + q
        k = p @ h.T / (h @ p @ h.T + (0.05 * size) ** 2)
        x, p = x + k[:, 0] * (seen - x[0]), (np.eye(2) - k @ h) @ p
        assert motion.values[0, 0] == pytest.approx(x[0])
        assert motion.speeds[0, 0] == pytest.approx(x[1])
        np.testing.assert_allclose(motion.spread[0, :, 0], [p[0, 0], p[0, 1], p[1, 1]])


def test_sizes_stay_positive():
    shrinking = kalman.begin(np.array([[0.0, 0, 40, 40]]))
    shrinking.speeds[:, 2:] = -1000

    assert (kalman.predict(shrinking, 1.0).values[:, 2:] > 0).all()
