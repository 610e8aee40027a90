"""What a reader must not take from elsewhere, and what it must not leave out without a word."""

import json
import logging
import unicodedata

import numpy as np
import pytest

from mtv_perception.cli.measuring import labels_of_data
from mtv_perception.data.formats import open as opening
from mtv_perception.data.formats.open import DatasetConfig, class_names, find_splits, open_dataset
from mtv_perception.data.sample import sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE, labels_with_background

BOX = "0 0.5 0.5 0.5 0.25"


@pytest.fixture
def yolo(write_image):
    """Writes images and labels below a folder; each has one object of class 0."""

    def write(folder, *names, images="images", labels="labels"):
        for name in names:
            write_image(folder / images / f"{name}.jpg")
            path = folder / labels / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(BOX)

    return write


def stems(dataset):
    return sorted(sample.image_path.stem for sample in dataset.samples)


def opened(root, labels=WAREHOUSE, **options):
    return open_dataset(DatasetConfig(root, **options), labels)


def roboflow(root, yolo, name, split):
    """An export of Roboflow, whose list leads one folder too far up."""
    yolo(root / split, name)
    (root / "data.yaml").write_text(
        "names: [person]\ntrain: ../train/images\nval: ../valid/images\n"
    )


def test_another_export_in_the_folder_above_is_not_read(tmp_path, yolo, caplog):
    roboflow(tmp_path, yolo, "old", "train")
    yolo(tmp_path / "valid", "old_valid")
    roboflow(tmp_path / "floor", yolo, "new", "train")
    with caplog.at_level(logging.WARNING):
        assert stems(opened(tmp_path / "floor")) == ["new"]
    assert "names val: ../valid/images, which is not there" in caplog.text


def test_a_list_beside_its_images_may_lead_above_itself(tmp_path, yolo):
    yolo(tmp_path, "a")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "data.yaml").write_text("names: [person]\ntrain: ../images\n")
    assert stems(opened(tmp_path / "lists" / "data.yaml")) == ["a"]


@pytest.mark.parametrize("names", ["data.yaml", "classes.txt"])
def test_class_names_of_another_data_set_are_not_taken(tmp_path, yolo, names):
    text = {"data.yaml": "names: [dog]\ntrain: images\n", "classes.txt": "dog\n"}[names]
    (tmp_path / names).write_text(text)
    yolo(tmp_path / "floor", "a")
    with pytest.raises(DatasetError, match="the class names are missing"):
        opened(tmp_path / "floor")


@pytest.mark.parametrize("split", ["train", "images/train"])
def test_class_names_above_a_split_are_taken(tmp_path, yolo, split):
    images = split if "images" in split else f"{split}/images"
    yolo(tmp_path, "a", images=images, labels=images.replace("images", "labels"))
    (tmp_path / "classes.txt").write_text("person\n")
    assert opened(tmp_path / split, format="yolo").samples[0].class_ids.tolist() == [2]


@pytest.mark.parametrize("listed", [("a", "b"), ("a",)])
def test_splits_may_be_lists_over_one_folder(tmp_path, yolo, listed, caplog):
    yolo(tmp_path, "a", "b", "c")
    (tmp_path / "train.txt").write_text("".join(f"./images/{name}.jpg\n" for name in listed))
    (tmp_path / "val.txt").write_text("images/c.jpg\n")
    (tmp_path / "data.yaml").write_text("names: [person]\ntrain: train.txt\nval: val.txt\n")
    with caplog.at_level(logging.WARNING):
        assert stems(opened(tmp_path, split="train")) == sorted(listed)
        assert stems(opened(tmp_path)) == sorted([*listed, "c"])
    assert ("1 images in it are not read, such as images/b.jpg" in caplog.text) is (len(listed) < 2)


def test_a_split_of_another_folder_is_read_where_the_others_are_no_mistake(tmp_path, yolo):
    yolo(tmp_path / "floor" / "train", "a")
    yolo(tmp_path / "common", "b")
    text = "names: [person]\ntrain: train/images\nval: ../common/images\n"
    (tmp_path / "floor" / "data.yaml").write_text(text)
    assert stems(opened(tmp_path / "floor")) == ["a", "b"]


def test_label_files_without_a_folder_of_images_are_told(tmp_path, yolo, caplog):
    yolo(tmp_path, "a", images="images/day", labels="labels/day")
    yolo(tmp_path, "b", images="elsewhere", labels="labels/night")
    (tmp_path / "classes.txt").write_text("person\n")
    with caplog.at_level(logging.WARNING):
        assert stems(opened(tmp_path)) == ["a"]
    assert "labels/night/: 1 label files, and no folder images/night" in caplog.text


def test_a_label_of_an_image_that_can_not_be_read_says_so(tmp_path, yolo):
    yolo(tmp_path, "a", "b")
    (tmp_path / "images" / "b.jpg").rename(tmp_path / "images" / "b.HEIC")
    (tmp_path / "classes.txt").write_text("person\n")
    with pytest.raises(DatasetError, match="b.HEIC is of a format that can't be read"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("lists", "splits", "train"),
    [
        ({"trainval": "ab", "test": "c"}, {"train", "test"}, "ab"),
        ({"train": "a", "val": "b", "trainval": "ab", "test": "c"}, {"train", "val", "test"}, "a"),
        ({"train": "a", "trainval": "ab", "test": "c"}, {"train", "test"}, "ab"),
        ({"train": "a", "val": "b", "trainval": "abc"}, {"train", "val"}, "a"),
        ({"trainval": "abc"}, {"train"}, "abc"),
    ],
)
def test_trainval_is_read_where_no_other_list_has_it(tmp_path, write_image, lists, splits, train):
    for stem in "abc":
        write_image(tmp_path / "JPEGImages" / f"{stem}.jpg")
        path = tmp_path / "Annotations" / f"{stem}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<annotation><filename>{stem}.jpg</filename></annotation>")
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for name, names in lists.items():
        (tmp_path / "ImageSets" / "Main" / f"{name}.txt").write_text("\n".join(names))

    assert set(find_splits(tmp_path)) == (splits if len(splits) > 1 else {"train"})
    assert stems(opened(tmp_path, split="train")) == list(train)
    listed = set().union(*(lists[name] for name in lists if name in splits or "val" not in splits))
    assert stems(opened(tmp_path)) == sorted(listed)


def test_images_that_no_reader_takes_are_told(tmp_path, write_image, write_mask, caplog):
    for name in ("a", "night/b", "night/c"):
        write_image(tmp_path / "images" / f"{name}.png")
        write_mask(tmp_path / "masks" / f"{name}.png", 1)
    with caplog.at_level(logging.WARNING):
        assert len(opened(tmp_path)) == 1
    assert "2 images in it are not read, such as images/night/b.png" in caplog.text


def test_boxes_beside_masks_need_class_names(tmp_path, yolo, write_mask):
    yolo(tmp_path, "a")
    write_mask(tmp_path / "masks" / "a.png", 1)
    with pytest.raises(DatasetError, match="1 label files of boxes, and no class names"):
        opened(tmp_path)


@pytest.mark.parametrize("place", ["classes.txt", "masks/classes.txt"])
@pytest.mark.parametrize(("first", "good"), [("background", True), ("void", True), ("rail", False)])
def test_the_first_name_of_mask_values_is_no_class(
    tmp_path, write_image, write_mask, place, first, good
):
    write_image(tmp_path / "images" / "a.png")
    write_mask(tmp_path / "masks" / "a.png", 1)
    (tmp_path / place).write_text(f"{first}\nperson\n")
    if good:
        assert opened(tmp_path).samples[0].mask_classes == (2,)
        return
    with pytest.raises(DatasetError, match="expected 'background' in the first line.* got 'rail'"):
        opened(tmp_path)


def test_masks_without_names_of_classes_that_are_chosen_from_the_data(
    tmp_path, write_image, write_mask
):
    write_image(tmp_path / "images" / "a.png")
    write_mask(tmp_path / "masks" / "a.png", 1)
    with pytest.raises(DatasetError, match=r"expected classes.txt with the class name"):
        class_names([DatasetConfig(tmp_path)])


def test_a_data_set_that_counts_otherwise_is_told_and_can_name_its_values(
    tmp_path, yolo, write_mask, caplog
):
    yolo(tmp_path, "a")
    write_mask(tmp_path / "masks" / "a.png", 1)
    (tmp_path / "data.yaml").write_text("names: [forklift, person]\n")
    with caplog.at_level(logging.WARNING):
        assert np.unique(sample_mask(opened(tmp_path).samples[0])).tolist() == [1]
    assert "mask value 1 is taken as rail" in caplog.text
    assert "the data set numbers forklift so" in caplog.text

    caplog.clear()
    (tmp_path / "masks" / "classes.txt").write_text("background\nforklift\nperson\n")
    assert np.unique(sample_mask(opened(tmp_path).samples[0])).tolist() == [3]
    (tmp_path / "masks" / "classes.txt").unlink()
    own = labels_with_background(("forklift", "person"))
    assert np.unique(sample_mask(opened(tmp_path, own).samples[0])).tolist() == [1]
    assert "mask value" not in caplog.text


def test_pixels_of_classes_that_are_none_of_ours_are_told(
    tmp_path, write_image, write_mask, caplog
):
    write_image(tmp_path / "images" / "a.png")
    write_mask(tmp_path / "masks" / "a.png", 1)
    (tmp_path / "classes.txt").write_text("background\npedestrian\nshelf\nperson\n")
    with caplog.at_level(logging.WARNING):
        opened(tmp_path)
        assert "masks show pedestrian: taken as background" in caplog.text
        caplog.clear()
        opened(tmp_path, rename={"pedestrian": "background"})
        opened(tmp_path, rename={"pedestrian": "person"})
    assert "taken as background" not in caplog.text


def test_images_among_masks_that_are_no_masks_are_told(
    tmp_path, write_image, write_mask, yolo, caplog
):
    yolo(tmp_path, "a", "b")
    (tmp_path / "classes.txt").write_text("person\n")
    write_mask(tmp_path / "masks" / "a.png", 2)
    write_image(tmp_path / "masks" / "b.jpg")
    with caplog.at_level(logging.WARNING):
        opened(tmp_path)
    assert "masks/: 1 images are no PNG and are not read as masks, such as b.jpg" in caplog.text


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_one_name_in_two_unicode_forms_is_one_class(tmp_path, yolo, form):
    name = "Fu\u00dfg\u00e4nger"
    roots = [tmp_path / "one", tmp_path / "two"]
    for root, own in zip(roots, ("NFC", "NFD"), strict=True):
        yolo(root, "a")
        (root / "classes.txt").write_text(unicodedata.normalize(own, name), encoding="utf-8")
    configs = [DatasetConfig(root) for root in roots]
    assert class_names(configs) == (name,)
    own = labels_with_background((unicodedata.normalize(form, name),))
    for root in roots:
        assert opened(root, own).samples[0].class_ids.tolist() == [1]
    rename = {unicodedata.normalize(form, name): "person"}
    assert opened(roots[1], rename=rename).samples[0].class_ids.tolist() == [2]


@pytest.mark.parametrize(("listed", "stored"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFC", "NFC")])
@pytest.mark.parametrize("layout", ["coco", "cvat"])
def test_files_are_found_in_another_unicode_form(
    tmp_path, write_image, write_mask, caplog, layout, listed, stored
):
    names = {form: unicodedata.normalize(form, "K\u00fchlhaus") for form in ("NFC", "NFD")}
    write_image(tmp_path / "images" / f"{names[stored]}.png")
    file_name = f"{names[listed]}.png"
    if layout == "cvat":
        box = '<box label="person" xtl="5" ytl="5" xbr="20" ybr="30"/>'
        text = f'<annotations><image id="0" name="{file_name}">{box}</image></annotations>'
        (tmp_path / "annotations.xml").write_text(text, encoding="utf-8")
    else:
        write_mask(tmp_path / "masks" / f"{names[listed]}.png", 2)
        image = {"id": 1, "file_name": file_name, "width": 60, "height": 40}
        box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 30]}
        person = {"id": 1, "name": "person"}
        content = {"images": [image], "annotations": [box], "categories": [person]}
        (tmp_path / "annotations.json").write_text(json.dumps(content))
    with caplog.at_level(logging.WARNING):
        sample = opened(tmp_path).samples[0]
    assert sample.boxes_xyxy.tolist() == [[5, 5, 20, 30] if layout == "cvat" else [5, 5, 25, 35]]
    assert (sample.mask_path is not None) == (layout == "coco") and "not read" not in caplog.text


def test_a_name_in_another_case_is_the_only_one_to_change(tmp_path, yolo):
    yolo(tmp_path, "a", "b")
    (tmp_path / "labels" / "b.txt").write_text(BOX.replace("0 ", "1 ", 1))
    (tmp_path / "classes.txt").write_text("Person\nPallet\n")
    labels = labels_of_data([DatasetConfig(tmp_path)])
    assert labels.foreground == ("person", "Pallet")
    with pytest.raises(
        DatasetError, match=r"(?s)1 error.*class 'Person': expected 'person'"
    ) as caught:
        opened(tmp_path, labels)
    assert "Pallet" not in str(caught.value).partition("'Person'")[0]


def cvat(path, *names, label="person"):
    box = f'<box label="{label}" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    images = (f'<image id="0" name="{n}.jpg" width="60" height="40">{box}</image>' for n in names)
    path.write_text(f"<annotations>{''.join(images)}</annotations>")


def coco(path, *names):
    images = [
        {"id": i, "file_name": f"{n}.jpg", "width": 60, "height": 40} for i, n in enumerate(names)
    ]
    boxes = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": [1, 1, 9, 9]} for i in range(len(names))
    ]
    categories = [{"id": 1, "name": "person"}]
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories}))


@pytest.mark.parametrize(
    ("write", "read", "other"),
    [
        (cvat, "annotations.xml", "annotations2.xml"),
        (cvat, "annotations.xml", "annotations (1).XML"),
        (coco, "annotations.json", "more.json"),
        (coco, "_annotations.coco.json", "annotations_old.json"),
    ],
)
def test_a_second_index_in_the_folder_is_told(tmp_path, write_image, caplog, write, read, other):
    write_image(tmp_path / "images" / "a.jpg")
    write(tmp_path / read, "a")
    write(tmp_path / other, "a")
    with caplog.at_level(logging.WARNING):
        assert stems(opened(tmp_path)) == ["a"]
    assert f"{other} is not read, though it is an index of labels too" in caplog.text
    caplog.clear()
    assert stems(opened(tmp_path / other)) == ["a"]
    assert not caplog.text


def test_other_files_beside_an_index_are_no_note(tmp_path, write_image, caplog):
    write_image(tmp_path / "images" / "a.jpg")
    cvat(tmp_path / "annotations.xml", "a")
    (tmp_path / "notes.xml").write_text("<notes/>")
    (tmp_path / "broken.xml").write_text("<annotations>")
    with caplog.at_level(logging.WARNING):
        assert stems(opened(tmp_path)) == ["a"]
    assert not caplog.text


def test_other_files_of_cocos_own_download_are_no_note(tmp_path, write_image, caplog):
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / "annotations").mkdir()
    for name in ("instances_train2017", "person_keypoints_train2017", "stuff_train2017"):
        coco(tmp_path / "annotations" / f"{name}.json", "a")
    with caplog.at_level(logging.WARNING):
        assert stems(opened(tmp_path)) == ["a"]
    assert not caplog.text


def test_annotations_of_single_images_beside_an_index_are_not_looked_into(
    tmp_path, write_image, monkeypatch
):
    write_image(tmp_path / "images" / "a.jpg")
    coco(tmp_path / "annotations.json", "a")
    for number in range(30):
        (tmp_path / f"{number}.json").write_text('{"shapes": []}')
    read = []
    monkeypatch.setattr(opening, "json_or_none", read.append)
    assert stems(opened(tmp_path)) == ["a"] and not read


def test_a_second_layout_in_the_folder_is_told(tmp_path, yolo, caplog):
    yolo(tmp_path, "a")
    (tmp_path / "classes.txt").write_text("person\n")
    coco(tmp_path / "annotations.json", "a")
    with caplog.at_level(logging.WARNING):
        assert len(opened(tmp_path)) == 1
    assert "it is read as coco, and is laid out as yolo too: --format" in caplog.text
    caplog.clear()
    assert len(opened(tmp_path, format="yolo")) == 1
    assert not caplog.text


def test_objects_of_the_background_are_told(tmp_path, yolo, caplog):
    yolo(tmp_path, "a", "b")
    (tmp_path / "labels" / "b.txt").write_text(BOX.replace("0", "1", 1))
    (tmp_path / "classes.txt").write_text("background\nperson\n")
    with caplog.at_level(logging.WARNING):
        assert sum(len(sample.class_ids) for sample in opened(tmp_path).samples) == 1
    assert "1 objects are of a class 'background' and are left out" in caplog.text
    caplog.clear()
    opened(tmp_path, rename={"background": "background"})
    assert "left out" not in caplog.text


@pytest.mark.parametrize("name", ["Background", "_background_"])
def test_a_background_by_another_name_is_no_class(tmp_path, yolo, name):
    yolo(tmp_path, "a")
    (tmp_path / "classes.txt").write_text(f"{name}\n")
    labels = labels_of_data([DatasetConfig(tmp_path)])
    with pytest.raises(DatasetError, match=f"--rename {name}=background"):
        opened(tmp_path, labels)
