"""Every plot is drawn, empty ones too."""

import cv2
import numpy as np
import pytest

from mtv_perception.labels import WAREHOUSE, LabelSet
from mtv_perception.metrics.calibration import reliability
from mtv_perception.metrics.detection import PrecisionRecall
from mtv_perception.plots.scores import (
    plot_confusion,
    plot_corruptions,
    plot_precision_recall,
    plot_reliability,
    to_png,
)

CURVE = PrecisionRecall(
    np.array([0.9, 0.5]), np.array([1.0, 0.5]), np.array([0.5, 0.5]), np.array([0.0, 1.0])
)
NO_CURVE = PrecisionRecall(*(np.empty(0) for _ in range(4)))


@pytest.mark.parametrize(
    "figure",
    [
        plot_precision_recall({"person": CURVE, "rail": NO_CURVE}, WAREHOUSE),
        plot_precision_recall({}, WAREHOUSE),
        plot_confusion(np.arange(12).reshape(3, 4), ["a", "b", "c"]),
        plot_confusion(np.zeros((2, 2)), ["a", "b"]),
        plot_reliability(reliability(np.array([0.4, 0.9]), np.array([False, True]))),
        plot_reliability(reliability(np.empty(0), np.empty(0, bool))),
        plot_corruptions({"fog": (0.1, 0.2), "snow": (0.0, 0.0)}, 0.5, "AP"),
        plot_corruptions({"fog": (0.0,)}, 0.0, "AP"),
    ],
)
def test_it_becomes_a_picture(figure):
    picture = cv2.imdecode(np.frombuffer(to_png(figure), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[0] > 100 and (picture != 255).any()


def test_the_best_f1_is_named():
    (axes,) = plot_precision_recall({"person": CURVE}, WAREHOUSE).axes
    assert axes.get_legend().get_texts()[0].get_text() == "person: F1 0.67 at score 0.90"


def test_confusion_is_in_percent_of_the_true_class():
    (axes,) = plot_confusion(np.array([[3, 1], [0, 0]]), ["a", "b"]).axes
    assert [text.get_text() for text in axes.texts] == ["75.0", "25.0", "0.0", "0.0"]


@pytest.mark.parametrize("name", ["cost $\\fork$", "$", "_hidden", "person [/old]", "a_b^c"])
def test_class_names_are_shown_as_they_are(name):
    labels = LabelSet(("background", name))
    assert to_png(plot_confusion(np.ones((1, 2)), [name]))
    figure = plot_precision_recall({name: CURVE}, labels)
    assert to_png(figure)
    (legend,) = (axes.get_legend() for axes in figure.axes if axes.get_legend())
    assert legend.get_texts()[0].get_text().strip().replace("\\$", "$").startswith(f"{name}: F1")
