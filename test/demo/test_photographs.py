"""The grid of photographs: only where they lie, with their credit."""

import cv2
import numpy as np
import pytest

from mtv_perception.demo.photographs import FILE, draw_photographs, folder_here


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder in the data set's layout with pictures of different shapes."""
    folder = tmp_path / "forklift_person" / "val" / "images"
    folder.mkdir(parents=True)
    for index in range(8):
        size_hw = (120, 160 + 40 * index)
        cv2.imwrite(str(folder / f"{index}.png"), np.full((*size_hw, 3), 30 * index, np.uint8))
    monkeypatch.setenv("MTV_DATA", str(tmp_path))
    return tmp_path


def test_six_photographs_fill_two_rows(data, tmp_path):
    assert draw_photographs(folder_here(), "warehouse", tmp_path) == 6
    assert cv2.imread(str(tmp_path / FILE)).shape == (2 * 480, 3 * 480, 3)


@pytest.mark.parametrize("value", ["", "/nowhere"])
def test_without_the_data_set_there_is_no_folder(monkeypatch, value):
    monkeypatch.setenv("MTV_DATA", value)

    assert folder_here() is None
