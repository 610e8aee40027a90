"""The table of a validation's figures."""

from mtv_perception.training.validation import figures_table


def test_a_row_a_class_and_the_means_of_each_set():
    figures = {
        "real/map": 0.4,
        "real/map50": 0.71234,
        "real/miou": None,
        "real/iou/background": 0.9,
        "real/iou/person": None,
        "real/ap/person": 0.4,
        "real/ap50/person": 0.71234,
        "map": 0.4,
        "miou": None,
    }
    lines = [line.split() for line in figures_table(figures).splitlines()]
    assert lines == [
        ["set", "class", "AP", "AP@.50", "IoU"],
        ["real", "background", "-", "-", "0.900"],
        ["real", "person", "0.400", "0.712", "-"],
        ["real", "mean", "0.400", "0.712", "-"],
    ]
    assert len({len(line) for line in figures_table(figures).splitlines()}) == 1
