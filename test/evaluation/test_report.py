"""The report holds the numbers, the plots and the worst images, and refers to nothing outside
itself.
"""

import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.evaluation.report import write_report
from mtv_perception.evaluation.robustness import Degradation, Robustness
from mtv_perception.evaluation.worst import best_thresholds, draw_pair, worst_images
from mtv_perception.labels import LabelSet


@pytest.fixture
def flawed(oracle, dataset):
    """The oracle, but it misses everything in the data set's first image."""
    seen = dataset.samples[0].boxes_xyxy

    def perceive(image):
        result = oracle(image)
        blinded = np.array_equal(result.detections.boxes_xyxy, seen)
        keep = np.zeros(len(result.detections), bool) if blinded else slice(None)
        return replace(result, detections=result.detections.select(keep))

    return perceive


def report_of(path, perceive, dataset, **more):
    evaluation = evaluate(perceive, dataset, quiet=True)
    write_report(path, evaluation, perceive, model_id="model <1>", **more)
    return path.read_text(encoding="utf-8")


def test_it_contains_numbers_plots_and_the_worst_image(flawed, dataset, tmp_path):
    page = report_of(tmp_path / "new" / "report.html", flawed, dataset)
    assert "<h1>model &lt;1&gt; on rectangles</h1>" in page
    for name in ("background", "rail", "person", "forklift", "mAP@.50", "D-ECE", "person recall"):
        assert name in page
    assert "0.png: 3 missed, 0 false alarms, IoU 1.00" in page
    assert page.count("data:image/png") == 3 and page.count("data:image/jpeg") == 1


def test_cocos_figures_and_the_legacy_ones_have_their_tables(flawed, dataset, tmp_path):
    page = report_of(tmp_path / "report.html", flawed, dataset)
    scores = evaluate(flawed, dataset, quiet=True).to_json()
    for name in ("AP", "AP75", "APsmall", "ARlarge"):
        value = scores["coco"][name]
        assert f"<td>{name}</td><td>{'–' if value is None else f'{value:.3f}'}</td>" in page
    assert f"<td>mAP@.75</td><td>{scores['map75']:.3f}</td>" in page
    legacy = scores["legacy"]
    row = f"<td>person</td><td>{legacy['ap50']['person']:.3f}</td><td>{legacy['jaccard']['person']:.3f}</td>"
    assert row in page.split("<h2>Legacy figures</h2>")[1]


def test_what_says_nothing_is_left_out(oracle, dataset, tmp_path):
    evaluation = evaluate(oracle, dataset, quiet=True)
    names = tuple("worker" if name == "person" else name for name in evaluation.labels.names)
    nothing = replace(
        evaluation.masks,
        legacy_jaccard=np.full(len(names), np.nan),
        legacy_accuracy=float("nan"),
    )
    renamed = replace(evaluation, labels=LabelSet(names), masks=nothing, legacy_ap={})

    write_report(tmp_path / "report.html", renamed, oracle)

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "worker" in page and "All numbers" in page
    assert "person" not in page.split("<details>")[0] and "Legacy" not in page


@pytest.mark.parametrize(("count", "warned"), [(6, True), (99, True), (100, False)])
def test_figures_of_few_images_are_said_to_be_rough(oracle, dataset, tmp_path, count, warned):
    evaluation = evaluate(oracle, dataset, quiet=True)
    records = tuple(evaluation.records[i % 6] for i in range(count))
    evaluation = replace(evaluation, records=records, image_miou=(1.0,) * count)

    write_report(tmp_path / "report.html", evaluation, oracle)

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert ("Below 100 images the figures are rough" in page) == warned


def test_details_can_be_left_out(oracle, dataset, tmp_path):
    page = report_of(tmp_path / "report.html", oracle, dataset, details=False)
    assert "Legacy" not in page and "All numbers" not in page and "mAP@.50" in page


def test_pictures_are_embedded_and_can_be_decoded(flawed, dataset, tmp_path):
    page = report_of(tmp_path / "report.html", flawed, dataset)
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) == 4 and "http" not in page
    for source in sources:
        content = np.frombuffer(base64.b64decode(source.split(",")[1]), np.uint8)
        assert cv2.imdecode(content, cv2.IMREAD_COLOR) is not None


def test_a_faultless_model_has_no_worst_images(oracle, dataset, tmp_path):
    assert "<p>None.</p>" in report_of(tmp_path / "report.html", oracle, dataset)


def test_robustness_is_shown_where_measured(oracle, dataset, tmp_path):
    part = Degradation(1.0, {"motion_blur": (0.5, 0.3)})
    page = report_of(
        tmp_path / "report.html", oracle, dataset, robustness=Robustness((1, 5), part, part)
    )
    assert "<td>0.400</td>" in page and page.count("data:image/png") == 5


def test_unlabelled_data_still_gives_a_report(oracle, dataset, tmp_path):
    samples = tuple(
        replace(s, box_classes=(), mask_classes=(), mask_path=None) for s in dataset.samples
    )
    page = report_of(tmp_path / "report.html", oracle, replace(dataset, samples=samples))
    assert "<td>–</td>" in page and "data:image" not in page


def test_worst_images_come_first_and_are_drawn_beside_their_truth(flawed, dataset):
    evaluation = evaluate(flawed, dataset, quiet=True)
    (worst,) = worst_images(evaluation, 5)
    assert (worst.index, worst.missed, worst.false_alarms) == (0, 3, 0)
    pair = draw_pair(dataset.samples[0], flawed, best_thresholds(evaluation), dataset.labels)
    assert pair.shape == (120, 160 + 6 + 160, 3) and pair.dtype == np.uint8
