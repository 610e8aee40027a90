"""The picture of a run's curves is drawn whatever was logged."""

import cv2
import numpy as np
import pytest

from mtv_perception.plots.curves import plot_curves

STEPS = range(0, 400, 10)
CURVES = {
    "total": [(step, 3 / (1 + step / 50)) for step in STEPS],
    "loss/boxes": [(step, 1 / (1 + step / 50)) for step in STEPS],
    "weight/boxes": [(step, 1 + step / 400) for step in STEPS],
    "learning_rate": [(step, 1e-3) for step in STEPS],
    "validation/map50": [(200, 0.4), (400, 0.6)],
}


@pytest.mark.parametrize(
    "curves",
    [CURVES, {}, {"total": [(0, 1.0)]}, {"loss/boxes": [(0, 0.0), (10, 0.0)]}],
    ids=range(4),
)
def test_curves_become_a_picture(tmp_path, curves):
    plot_curves(curves, tmp_path / "new" / "curves.png")
    picture = cv2.imread(str(tmp_path / "new" / "curves.png"))
    assert picture.shape[:2] == (630, 990) and np.ptp(picture) > 100


def test_more_curves_show_more(tmp_path):
    plot_curves({}, tmp_path / "empty.png")
    plot_curves(CURVES, tmp_path / "full.png")
    ink = [(cv2.imread(str(tmp_path / name)) < 250).mean() for name in ("empty.png", "full.png")]
    assert ink[1] > 1.1 * ink[0]
