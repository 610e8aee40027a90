from pathlib import Path

import cv2
import numpy as np
import pytest

from mtv_perception.data.sample import Dataset, Sample
from mtv_perception.errors import ArtefactError
from mtv_perception.export import artefact as module
from mtv_perception.export.artefact import Description, calibration_images, make_artefact
from mtv_perception.labels import WAREHOUSE
from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact
from mtv_perception.runtime.artefact import Trained, write_artefact
from mtv_perception.training.keras_model import KerasModel

ABOUT = Description("small", Trained(masks=("person",)), version=3, licence="Apache-2.0")


@pytest.fixture
def converted(monkeypatch, contents):
    """Conversions that were made before."""
    monkeypatch.setattr(
        module, "convert", lambda network, precision, calibration: contents[precision]
    )


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_an_exported_artefact_can_be_loaded_and_run(
    converted, tmp_path, network, images, precision
):
    made, errors = make_artefact(network, tmp_path / "a" / "b", precision, images, ABOUT)
    written = write_artefact(made.folder, made.spec, made.content)

    read = load_artefact(tmp_path / "a" / "b")
    assert read == written
    assert read.model_id.startswith(f"small-v3-{precision}-")
    assert read.spec.licence == "Apache-2.0"
    assert read.spec.mask_classes == ("person",)
    assert read.spec.box_spec == network.default_boxes
    assert set(errors) == {"class_logits", "box_offsets", "segmentation_logits"}
    assert Perceiver(read)(images[0]).segmentation.class_ids.shape == images[0].shape[:2]


def test_the_exported_model_and_the_keras_model_give_the_same_result(
    converted, tmp_path, network, images
):
    config = PerceiverConfig(
        score_threshold=0.6, iou_threshold=1.0, max_per_class=1000, max_detections=1000
    )
    about = Description("small", Trained())
    written, _ = make_artefact(network, tmp_path, "float32", images, about)
    exported, trained = Perceiver(written, config), Perceiver(KerasModel(network), config)
    frame = cv2.resize(images[1], (150, 77))

    a, b = exported(frame), trained(frame)

    assert len(a.detections) > 5
    for found, others in ((a.detections, b.detections), (b.detections, a.detections)):
        # One that scores as much as its threshold, or as another, may fall to either side of it.
        for index in np.flatnonzero(found.scores > 0.61):
            same = others.class_ids == found.class_ids[index]
            apart = np.abs(others.boxes_xyxy - found.boxes_xyxy[index]).max(1)
            assert (
                same & (apart < 0.05) & (np.abs(others.scores - found.scores[index]) < 1e-3)
            ).any()
    assert (a.segmentation.class_ids == b.segmentation.class_ids).mean() > 0.995


def test_a_conversion_that_says_something_else_is_refused(
    monkeypatch, tmp_path, contents, other_network, images
):
    monkeypatch.setattr(module, "convert", lambda *arguments: contents["float32"])

    with pytest.raises(ArtefactError, match="Expected relative output errors of at most"):
        make_artefact(other_network, tmp_path / "model", "float32", images, ABOUT)


def test_nothing_to_compare_with_is_refused(converted, tmp_path, network):
    with pytest.raises(ValueError, match="Expected images to compare"):
        make_artefact(network, tmp_path / "model", "float32", [], ABOUT)


def dataset(folder: Path, grey_levels):
    samples = []
    for level in grey_levels:
        path = folder / f"{level}.png"
        cv2.imwrite(str(path), np.full((40, 120, 3), level, np.uint8))
        none = np.empty((0, 4), np.float32), np.empty(0, np.int32), np.empty(0, bool)
        samples.append(Sample(path, (40, 120), *none, None, (1, 2, 3), ()))
    return Dataset("greys", WAREHOUSE, tuple(samples))


@pytest.mark.parametrize(
    ("count", "levels"),
    [
        (1, [10]),
        (2, [10, 90]),
        (3, [10, 50, 90]),
        (5, [10, 30, 50, 70, 90]),
        (99, [10, 30, 50, 70, 90]),
    ],
)
def test_calibration_images_are_taken_evenly_and_letterboxed(tmp_path, count, levels):
    sets = [dataset(tmp_path, (10, 30, 50)), dataset(tmp_path, (70, 90))]

    found = calibration_images(sets, (64, 96), count)

    assert [image[32, 48, 0] for image in found] == levels
    assert {image.shape for image in found} == {(64, 96, 3)}
    assert {image.dtype for image in found} == {np.dtype(np.uint8)}
    assert {int(image[0, 0, 0]) for image in found} == {127}
