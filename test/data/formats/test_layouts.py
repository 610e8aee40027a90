import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from mtv_perception.cli.main import main
from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import find_splits, read_dataset
from mtv_perception.data.sample import sample_mask
from mtv_perception.labels import WAREHOUSE

_SPEC = importlib.util.spec_from_file_location("layouts", Path(__file__).with_name("layouts.py"))
layouts = importlib.util.module_from_spec(_SPEC)
__import__("sys").modules["layouts"] = layouts
_SPEC.loader.exec_module(layouts)
LAYOUTS, PICTURES, COUNTS = layouts.LAYOUTS, layouts.PICTURES, layouts.COUNTS


@pytest.fixture(params=LAYOUTS)
def layout(request, tmp_path):
    LAYOUTS[request.param].write(tmp_path / "floor")
    return tmp_path / "floor", LAYOUTS[request.param]


def test_stats_gives_the_same_counts_for_all(layout, tmp_path, capsys):
    root, expected = layout
    assert main(["stats", str(root), "--json", str(tmp_path / "out.json")]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert sum(source["images"] for source in found["sources"]) == len(PICTURES)
    by_name = {item["name"]: item for item in found["classes"]}
    for name, count in COUNTS.items():
        assert by_name[name]["instances"] == (count if expected.boxes else 0)
        assert by_name[name]["pixel_images"] == (2 if expected.outlines else 0)
    for name, item in by_name.items():
        assert name in ("background", *COUNTS) or not item["instances"]


def test_boxes_and_pixels_are_those_that_were_drawn(layout):
    root, expected = layout
    dataset = read_dataset(root, ReadOptions(WAREHOUSE))
    samples = sorted(dataset.samples, key=lambda sample: sample.image_path.name)
    for sample, picture in zip(samples, PICTURES, strict=True):
        assert picture.name[:2] in sample.image_path.name
        if expected.boxes:
            found = {
                (WAREHOUSE.names[class_id], *box)
                for class_id, box in zip(
                    sample.class_ids, sample.boxes_xyxy.round(3).tolist(), strict=True
                )
            }
            assert found == {(thing.name, *map(float, thing.box)) for thing in picture.things}
        mask = sample_mask(sample)
        assert (mask is not None) == expected.outlines
        for thing in picture.things if mask is not None else ():
            x0, y0, x1, y1 = thing.box
            inside = mask[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1]
            assert (inside == WAREHOUSE.id_of(thing.name)).all()
            assert np.isin(mask[0], [0]).all()


def test_splits_are_found_and_chosen(layout):
    root, expected = layout
    assert find_splits(root) == expected.splits
    if len(expected.splits) > 1:
        counts = {
            wanted: len(read_dataset(root, ReadOptions(WAREHOUSE, split=wanted)))
            for wanted in ("train", "val", "valid")
        }
        assert counts == {"train": 2, "val": 1, "valid": 1}


def test_hidden_files_of_a_mac_change_nothing(layout):
    root, _ = layout
    for folder in [root, *(p for p in root.rglob("*") if p.is_dir())]:
        for path in list(folder.iterdir()):
            if path.is_file():
                path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07\x00\x02")
        (folder / ".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1")
    (root / "__MACOSX").mkdir()
    assert len(read_dataset(root, ReadOptions(WAREHOUSE))) == len(PICTURES)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_one_folder_further_down_is_named(name, tmp_path):
    from mtv_perception.errors import DatasetError

    LAYOUTS[name].write(tmp_path / "unpacked" / "floor")
    (tmp_path / "unpacked" / "notes.txt").write_text("of the person who packed it")
    with pytest.raises(DatasetError, match=r"further down; give this path: .*floor"):
        read_dataset(tmp_path / "unpacked", ReadOptions(WAREHOUSE))
