import cv2
import numpy as np
import pytest

from mtv_perception.evaluation.card import (
    contact_sheet,
    tile,
    worst_sheet,
    write_curves,
    write_jpeg,
)
from mtv_perception.evaluation.evaluate import evaluate
from mtv_perception.labels import WAREHOUSE

NOISE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)


@pytest.mark.parametrize(("count", "rows"), [(0, 1), (1, 1), (3, 1), (4, 2)])
def test_tiles_stand_in_rows(count, rows):
    sheet = tile([np.zeros((20, 40, 3), np.uint8)] * count, 3, (40, 30))
    assert sheet.shape == (30 * rows, 120, 3) and sheet.dtype == np.uint8
    assert (sheet == 0).all(2).sum() == count * 20 * 40


def test_a_picture_keeps_its_shape():
    sheet = tile([np.zeros((100, 50, 3), np.uint8)], 1, (40, 20))
    assert (sheet == 0).all(2).sum() == 10 * 20


def test_the_contact_sheet_shows_predictions(dataset, oracle, blind):
    images = [cv2.imread(str(dataset.samples[0].image_path))[..., ::-1].copy()] * 2
    sheets = [contact_sheet(images, model, WAREHOUSE, columns=2) for model in (oracle, blind)]
    assert sheets[0].shape == (270, 720, 3) and (sheets[0] != sheets[1]).any()


def test_worst_images_of_a_blind_model(dataset, blind):
    assert (worst_sheet(evaluate(blind, dataset, quiet=True), blind, count=2) != 255).any()


def test_nothing_is_wrong_with_the_oracle(dataset, oracle):
    assert (worst_sheet(evaluate(oracle, dataset, quiet=True), oracle) == 255).all()


@pytest.mark.parametrize("limit", [150_000, 40_000])
def test_jpegs_stay_small(tmp_path, limit):
    path = tmp_path / "new" / "a.jpg"
    write_jpeg(path, NOISE, limit)
    assert path.stat().st_size <= limit and cv2.imread(str(path)).shape == NOISE.shape


def test_what_can_not_be_small_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="at most 100 bytes"):
        write_jpeg(tmp_path / "a.jpg", NOISE, 100)


def test_curves_are_a_picture(tmp_path, dataset, oracle, blind):
    for name, model in (("oracle", oracle), ("blind", blind)):
        path = tmp_path / "new" / f"{name}.png"
        write_curves(path, evaluate(model, dataset, quiet=True))
        assert cv2.imread(str(path)).shape[0] > 100 and path.stat().st_size < 150_000
