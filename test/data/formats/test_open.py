import json
from pathlib import Path

import numpy as np
import pytest

from mtv_perception.config import from_mapping
from mtv_perception.data.formats.open import (
    FORMATS,
    DatasetConfig,
    find_format,
    open_dataset,
    open_datasets,
    take_part,
)
from mtv_perception.data.sample import Dataset, Sample
from mtv_perception.errors import ConfigError, DatasetError
from mtv_perception.labels import WAREHOUSE


def write_coco(root):
    image = {"id": 1, "file_name": "a.png", "width": 60, "height": 40}
    index = {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "person"}]}
    (root / "annotations.json").write_text(json.dumps(index))


def write_voc(root):
    (root / "images").rename(root / "JPEGImages")
    (root / "Annotations").mkdir()
    (root / "Annotations" / "a.xml").write_text(
        "<annotation><filename>a.png</filename></annotation>"
    )


def write_reference(root):
    (root / "samples.json").write_text(json.dumps([{"image": "images/a.png"}]))


def write_yolo(root):
    (root / "labels").mkdir()
    (root / "classes.txt").write_text("person\n")


def write_semantic(root):
    (root / "masks").mkdir()


WRITERS = {
    "coco": write_coco,
    "voc": write_voc,
    "reference": write_reference,
    "yolo": write_yolo,
    "semantic": write_semantic,
}


def numbered(count):
    samples = [Sample(Path(f"{number:03}.png"), (4, 4)) for number in range(count)]
    order = np.random.default_rng(0).permutation(count)
    return Dataset("numbers", WAREHOUSE, tuple(samples[index] for index in order))


def names_of(dataset):
    return [sample.image_path.name for sample in dataset.samples]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_detected_and_read(tmp_path, write_image, write_mask, name):
    write_image(tmp_path / "images" / "a.png")
    WRITERS[name](tmp_path)
    if name == "semantic":
        write_mask(tmp_path / "masks" / "a.png", 2)
    assert find_format(tmp_path)[0] == name
    for stated in ("auto", name):
        assert len(open_dataset(DatasetConfig(tmp_path, stated), WAREHOUSE)) == 1


def test_masks_beside_boxes_do_not_make_it_semantic(tmp_path, write_image, write_mask):
    write_image(tmp_path / "images" / "a.png")
    write_mask(tmp_path / "masks" / "a.png", 0)
    for name in ("yolo", "reference", "coco"):
        WRITERS[name](tmp_path)
        assert find_format(tmp_path)[0] == name
        assert open_dataset(DatasetConfig(tmp_path), WAREHOUSE).samples[0].size_hw == (40, 60)
        (tmp_path / "classes.txt").unlink(missing_ok=True)  # of YOLO; it names no mask values


def test_reference_by_the_name_of_the_index(tmp_path, write_image):
    write_image(tmp_path / "images" / "a.png")
    write_reference(tmp_path)
    (tmp_path / "samples.json").rename(tmp_path / "train.json")
    assert open_dataset(DatasetConfig(tmp_path / "train.json"), WAREHOUSE).name == "train"


def test_unknown_layout_lists_what_was_tried(tmp_path):
    with pytest.raises(DatasetError) as caught:
        open_dataset(DatasetConfig(tmp_path), WAREHOUSE)
    assert all(f"{name}: " in str(caught.value) for name in FORMATS)


def test_unknown_format(tmp_path):
    with pytest.raises(DatasetError, match="expected a format of auto, coco"):
        open_dataset(DatasetConfig(tmp_path, "kitti"), WAREHOUSE)


def test_variables_and_home_in_the_path(tmp_path, write_image, monkeypatch):
    write_image(tmp_path / "set" / "images" / "a.png")
    write_coco(tmp_path / "set")
    monkeypatch.setenv("SOME_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("$SOME_DATA/set", "${SOME_DATA}/set", "~/set"):
        assert len(open_dataset(DatasetConfig(Path(path)), WAREHOUSE)) == 1
    monkeypatch.delenv("SOME_DATA")
    with pytest.raises(DatasetError, match="environment variable SOME_DATA to be set"):
        open_dataset(DatasetConfig(Path("$SOME_DATA/set")), WAREHOUSE)


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetError, match="no such file or folder"):
        open_dataset(DatasetConfig(tmp_path / "gone"), WAREHOUSE)


def test_options_reach_the_reader(tmp_path, write_image):
    write_image(tmp_path / "images" / "a.png")
    write_yolo(tmp_path)
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 .5 .5")
    config = from_mapping(
        DatasetConfig,
        {
            "path": str(tmp_path),
            "rename": {"person": "rail"},
            "box_classes": ["rail", "person"],
            "mask_classes": [],
        },
    )
    sample = open_dataset(config, WAREHOUSE).samples[0]
    assert sample.class_ids.tolist() == [1]
    assert (sample.box_classes, sample.mask_classes) == ((1, 2), ())


@pytest.mark.parametrize("count", [1, 3, 7])
def test_folds_part_the_samples_by_name(count):
    dataset = numbered(20)
    folds = [take_part(dataset, f"fold:{index}/{count}") for index in range(count)]
    assert sorted(name for fold in folds for name in names_of(fold)) == sorted(names_of(dataset))
    for index, fold in enumerate(folds):
        assert sorted(names_of(fold)) == sorted(names_of(dataset))[index::count]
        assert names_of(fold) == [name for name in names_of(dataset) if name in names_of(fold)]
        if count > 1:
            others = take_part(dataset, f"not-fold:{index}/{count}")
            assert set(names_of(others)) == set(names_of(dataset)) - set(names_of(fold))


def test_several_folds_at_once():
    dataset = numbered(20)
    apart = [set(names_of(take_part(dataset, f"fold:{index}/5"))) for index in range(5)]
    assert set(names_of(take_part(dataset, "fold:0,3/5"))) == apart[0] | apart[3]
    assert set(names_of(take_part(dataset, "not-fold:0,3/5"))) == apart[1] | apart[2] | apart[4]


def test_all_is_the_data_set_itself():
    dataset = numbered(3)
    assert take_part(dataset, "all") is dataset


@pytest.mark.parametrize("take", ["fold:5/6", "not-fold:0/1", "not-fold:0,1/2"])
def test_empty_part(take):
    with pytest.raises(DatasetError, match=take):
        take_part(numbered(3), take)


@pytest.mark.parametrize(
    "take",
    [
        "",
        "half",
        "fold:3/3",
        "fold:1",
        "fold:-1/3",
        "fold:0,3/3",
        "fold:0,/3",
        "fold:0/0",
        "fold:1/3 ",
    ],
)
def test_bad_take(take):
    with pytest.raises(ValueError, match="Expected take"):
        DatasetConfig(Path("x"), take=take)
    with pytest.raises(ConfigError, match="Expected take"):
        from_mapping(DatasetConfig, {"path": "x", "take": take})


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "path: a value is required"),
        ({"path": "x", "format": "kitti"}, "format: expected one of auto, coco"),
        ({"path": "x", "weight": -1}, "weight"),
        ({"path": "x", "folder": "y"}, "unknown key 'folder'"),
        ({"path": "x", "rename": ["a"]}, "rename: expected a mapping"),
    ],
)
def test_bad_configuration(values, text):
    with pytest.raises(ConfigError, match=text):
        from_mapping(DatasetConfig, values)


def test_real_forklifts(real_data):
    train, rest = (
        open_dataset(DatasetConfig(real_data / "forklift_person" / "train", take=take), WAREHOUSE)
        for take in ("not-fold:0/5", "fold:0/5")
    )
    assert len(train) + len(rest) == 293
    assert (
        sum(len(sample.class_ids) for dataset in (train, rest) for sample in dataset.samples) == 613
    )


def write_faulty(root, count):
    (root / "labels").mkdir(parents=True)
    (root / "classes.txt").write_text("person\n")
    (root / "labels" / "a.txt").write_text("0 .5\n" * count)
    return root


def test_faults_of_all_data_sets_are_told_at_once(tmp_path, write_image):
    roots = [write_faulty(tmp_path / name, 1) for name in "ab"]
    for root in roots:
        write_image(root / "images" / "a.png")
    configs = [DatasetConfig(path) for path in (roots[0], tmp_path / "gone", roots[1], roots[0])]
    with pytest.raises(DatasetError) as caught:
        open_datasets(configs, WAREHOUSE, tmp_path / "faults.txt")
    text = str(caught.value)
    assert (
        all(f"{root}: 1 error(s):" in text for root in roots) and "no such file or folder" in text
    )
    assert text.count("a.txt:1: expected") == 2
    assert not (tmp_path / "faults.txt").exists()


def test_a_text_that_is_cut_names_the_file_with_every_fault(tmp_path, write_image):
    root = write_faulty(tmp_path / "set", 70)
    write_image(root / "images" / "a.png")
    with pytest.raises(DatasetError) as caught:
        open_datasets([DatasetConfig(root)], WAREHOUSE, tmp_path / "run" / "faults.txt")
    assert "... and 20 more" in str(caught.value) and f"{tmp_path}/run/faults.txt" in str(
        caught.value
    )
    assert (tmp_path / "run" / "faults.txt").read_text().count("a.txt:") == 70
    with pytest.raises(DatasetError) as caught:
        open_dataset(DatasetConfig(root), WAREHOUSE)
    path = Path(str(caught.value).split("All errors: ")[1])
    assert path.read_text().count("a.txt:") == 70
    path.unlink()
    path.parent.rmdir()
