"""Labels, lists and names that are nearly right: the error or note says what to change."""

import codecs
import json
import shutil

import numpy as np
import pytest

from mtv_perception.cli.main import main
from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import (
    DatasetConfig,
    open_datasets,
    read_dataset,
    take_listed,
)
from mtv_perception.data.formats.shapes import ShapeError, runs_of
from mtv_perception.data.sample import sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE

LINE = "0 0.5 0.5 0.2 0.4"


def read(root, **options):
    return read_dataset(root, ReadOptions(WAREHOUSE, **options))


def faults_of(root, **options):
    with pytest.raises(DatasetError) as caught:
        read(root, **options)
    return str(caught.value)


@pytest.fixture
def yolo(tmp_path, write_image):
    """Write a YOLO set of two images."""

    def write(line=LINE, names="names: [person, forklift]\n", **files):
        for split in ("train", "val"):
            write_image(tmp_path / "images" / split / f"{split}.png")
            (tmp_path / "labels" / split).mkdir(parents=True)
            (tmp_path / "labels" / split / f"{split}.txt").write_text(line)
        (tmp_path / "data.yaml").write_text(names)
        for name, content in files.items():
            (tmp_path / name.replace("__", "/")).with_suffix(".txt").write_text(content)
        return tmp_path

    return write


@pytest.fixture
def coco(tmp_path, write_image):
    """Write a COCO set of one image; keywords change its annotation."""

    def write(file_name="a.png", **annotation):
        write_image(tmp_path / "images" / "a.png")
        image = {"id": 1, "file_name": file_name, "width": 60, "height": 40}
        box = {"id": 7, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 30], **annotation}
        index = {
            "images": [image],
            "annotations": [box],
            "categories": [{"id": 1, "name": "person"}],
        }
        (tmp_path / "annotations.json").write_text(json.dumps(index))
        return tmp_path

    return write


@pytest.mark.parametrize("count", [1, 3])
def test_a_number_of_classes_that_the_names_do_not_have(yolo, count):
    text = faults_of(yolo(names=f"nc: {count}\nnames: [person, forklift]\n"))
    assert f"data.yaml: expected {count} names as nc says, got 2" in text


@pytest.mark.parametrize("name", ["classes", "labels__classes"])
def test_two_lists_of_names_that_differ(yolo, name):
    path = f"{name.replace('__', '/')}.txt"
    text = faults_of(yolo(**{name: "forklift\nperson\n"}))
    assert f"expected the same class names in {path}" in text and f"or remove {path}" in text


def test_two_lists_of_names_that_are_one(yolo):
    assert len(read(yolo(classes="Person\nforklift\nextra\n")).samples) == 2


def test_a_folder_of_a_split_that_is_not_there(yolo):
    lists = "train: [images/train, images/gone]\nval: images/val\n"
    notes = read(yolo(names=f"names: [person, forklift]\n{lists}")).notes
    assert any("names images/gone for train, which is not there" in note for note in notes)


@pytest.mark.parametrize("line", ["0 30 20 10 10", "0 50 50 20 20"])
def test_yolo_boxes_in_pixels_or_percent(yolo, line):
    first = faults_of(yolo(line)).splitlines()[1]
    assert "expected boxes in fractions" in first and "pixels or percent, divide them" in first


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("0,0.5,0.5,0.2,0.4", "separate the values by blanks"),
        ("0 0,5 0,5 0,2 0,4", "decimals with a point"),
        ("person 0.5 0.5 0.2 0.4", "the class is its number"),
        ("0 0.1 0.1 0.5 0.5 0.2", "six values are a detection"),
        ("0 0.1 0.1 0.5", "an outline is"),
    ],
)
def test_lines_of_yolo_that_are_none(yolo, line, advice):
    assert advice in faults_of(yolo(line))


def test_a_rename_of_a_class_that_is_not_there(coco):
    notes = read(coco(), rename={"persn": "forklift"}).notes
    assert any("rename 'persn' has no effect" in n and "person" in n for n in notes)
    assert not read(coco(), rename={"person": "forklift"}).notes


def test_a_rename_that_one_of_several_data_sets_uses_is_no_note(coco, tmp_path_factory, caplog):
    """As of `--rename`, which all data sets share."""
    other = tmp_path_factory.mktemp("other") / "set"
    shutil.copytree(coco(), other)
    index = (other / "annotations.json").read_text().replace("person", "human")
    (other / "annotations.json").write_text(index)
    rename = {"human": "person", "persn": "person"}
    configs = [DatasetConfig(path=root, rename=rename) for root in (coco(), other)]
    notes = [text for dataset in open_datasets(configs, WAREHOUSE) for text in dataset.notes]
    assert len([text for text in notes if "rename 'persn' has no effect" in text]) == 2
    assert "rename 'human'" not in caplog.text and "rename 'persn'" in caplog.text


@pytest.mark.parametrize(("key", "what"), [("image_id", "image id"), ("category_id", "category")])
def test_ids_as_text_in_one_list_and_numbers_in_another(coco, key, what):
    text = faults_of(coco(**{key: "1"}))
    assert f"annotations.json: annotation 7: {what} '1' is not listed; there is 1: write" in text


@pytest.mark.parametrize("name", ["A.PNG", "a.jpg", "a", "https://x.example/y/a.png?size=1"])
def test_an_image_of_nearly_that_name(coco, name):
    assert "no such image file; there is a.png" in faults_of(coco(name))


def test_labels_beside_an_image_that_is_not_there_are_no_image_of_that_name(coco):
    root = coco("b.png")
    (root / "images" / "b.txt").write_text(LINE)
    assert "b.txt" not in faults_of(root)


@pytest.mark.parametrize(
    "content",
    [b"images/a.png\r\n", codecs.BOM_UTF8 + b"images/a.png", "images/a.png\n".encode("utf-16")],
)
def test_a_list_of_images_of_any_editor(coco, tmp_path, content):
    (tmp_path / "list.txt").write_bytes(content)
    root = coco()
    assert len(take_listed(read(root), root, tmp_path / "list.txt").samples) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a.png\n", "Write one path below it a line, such as images/a.png"),
        ("images/a.png".encode("utf-16-le"), "list.txt: expected a list of images, found zero"),
    ],
)
def test_a_list_that_names_no_image_says_how_to(coco, tmp_path, content, said):
    (tmp_path / "list.txt").write_bytes(content)
    root = coco()
    with pytest.raises(DatasetError, match=said):
        take_listed(read(root), root, tmp_path / "list.txt")


@pytest.mark.parametrize("names", ["", "person,person", "person,background"])
def test_names_that_are_no_classes(coco, capsys, names):
    with pytest.raises(SystemExit):
        main(["stats", str(coco()), "--names", names])
    assert f"expected different class names with commas, got {names!r}" in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["masks", "Masks"])
@pytest.mark.parametrize("name", ["classes.txt", "Classes.TXT"])
def test_mask_names_in_any_case(coco, write_mask, folder, name):
    root = coco()
    write_mask(root / folder / "a.png", np.full((40, 60), 2, np.uint8))
    (root / folder / name).write_text("background\nperson\nforklift\n")
    assert np.unique(sample_mask(read(root).samples[0])).tolist() == [3]


@pytest.mark.parametrize("name", ["labelmap.txt", "_classes.csv", "labels.txt"])
def test_mask_names_in_a_form_that_is_not_read(coco, write_mask, name):
    """Else the values would be taken as class numbers of the model."""
    root = coco()
    write_mask(root / "masks" / "a.png", np.full((40, 60), 2, np.uint8))
    (root / "masks" / name).write_text("background\nperson\nforklift\n")
    assert f"found them in {name}; write classes.txt beside it" in faults_of(root)


def test_outlines_in_fractions_of_the_image(coco):
    text = faults_of(coco(segmentation=[[0.1, 0.1, 0.4, 0.1, 0.4, 0.5]]))
    assert "expected outlines in pixels" in text


def test_a_data_set_is_not_imported_with_images_in_two_splits(yolo, capsys):
    lists = "train: images/train\nval: images/train\n"
    root = yolo(names=f"names: [person, forklift]\n{lists}")
    assert main(["data", "import", str(root), "--out", str(root / "new")]) == 2
    assert "the splits train and val both name 1 images" in capsys.readouterr().err
    assert not (root / "new").exists()


def test_an_export_of_cvat_under_another_name(tmp_path):
    (tmp_path / "export.xml").write_text("<annotations></annotations>")
    assert "export.xml is CVAT's: rename it to annotations.xml" in faults_of(tmp_path)


def test_two_spellings_of_a_number_of_names(yolo):
    text = faults_of(yolo(names="names: {0: person, '0': forklift}\n"))
    assert "data.yaml: expected each number of 'names' once" in text and "without quotes" in text


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (
            '<mask rle="0, 40000000000" left="0" top="0" width="200000" height="200000"',
            "a bitmap of 1 to 50000000 pixels, the annotation states 200000x200000",
        ),
        ('<mask rle="0, x" left="0" top="0" width="2" height="2"', "expected run lengths 'n, n"),
        ('<box xtl="1" ytl="1" xbr="1e400" ybr="9"', "expected a number 'xbr', got '1e400'"),
        ('<box xtl="1" ytl="1" xbr="9" ybr="9" rotation="inf"', "expected a number 'rotation'"),
    ],
)
def test_shapes_of_cvat_that_claim_too_much(tmp_path, write_image, shape, reason):
    write_image(tmp_path / "images" / "a.png")
    side = 200_000 if "40000000000" in shape else 40
    (tmp_path / "annotations.xml").write_text(
        f'<annotations><image id="0" name="a.png" width="{side}" height="{side}">'
        f'{shape} label="person"/></image></annotations>'
    )
    assert reason in faults_of(tmp_path)


def test_a_bitmap_in_an_image_that_claims_too_much():
    with pytest.raises(ShapeError, match="states 200000x100000"):
        runs_of(np.ones((2, 2), bool), (0, 0), (100_000, 200_000))


@pytest.mark.parametrize(
    "start", ["C:\\\\data\\\\", "C:/data/", "/mnt/data/", "../", "https://x.org/", "file:///data/"]
)
def test_paths_of_another_machine_keep_their_folders(tmp_path, write_image, start):
    """One name in two folders is two images."""
    images = []
    for number, folder in enumerate("ab"):
        write_image(tmp_path / "images" / folder / "1.png")
        name = f"{start}{folder}/1.png"
        images.append({"id": number, "file_name": name, "width": 60, "height": 40})
    index = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "annotations.json").write_text(json.dumps(index))
    found = [sample.image_path.parent.name for sample in read(tmp_path).samples]
    assert found == ["a", "b"]


def test_a_list_of_windows_paths(tmp_path, write_image):
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text(LINE)
    (tmp_path / "train.txt").write_text("C:\\me\\floor\\images\\a.png\n")
    (tmp_path / "data.yaml").write_text("names: [person]\ntrain: train.txt\n")
    assert len(read(tmp_path).samples[0].class_ids) == 1


def test_a_list_of_images_that_are_not_there_names_them(tmp_path, write_image):
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "train.txt").write_text("/gone/b.png\n")
    (tmp_path / "data.yaml").write_text("names: [person]\ntrain: train.txt\n")
    assert "train.txt:1: no such image '/gone/b.png'" in faults_of(tmp_path)


KITTI = "Car 0.00 0 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59"


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        (("image_2/a.png", "label_2/a.txt"), "Labels of KITTI are in label_2/"),
        (("images/a.png", "labels/a.txt"), "Labels of KITTI are in labels/"),
        (("training/image_2/a.png", "training/label_2/a.txt"), "training: Labels of KITTI"),
        (("data/a.png", "labels/detections.csv"), "labels/detections.csv is not read: export"),
        (("images/a.png", "labels/a.png"), "If the PNGs in labels/ are masks"),
        (("a.png", "export.ndjson"), "export.ndjson is not read: export the data set"),
    ],
)
def test_layouts_that_only_look_like_yolo(tmp_path, write_image, made, advice):
    for name in made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".png"):
            write_image(tmp_path / name)
        else:
            (tmp_path / name).write_text(KITTI)
    text = faults_of(tmp_path)
    assert advice in text and "should be called" not in text and "of YOLO" not in text


def test_label_files_beside_their_images(tmp_path, write_image):
    write_image(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(LINE)
    (tmp_path / "classes.txt").write_text("person\n")
    assert "Labels of YOLO are beside their images: move" in faults_of(tmp_path)


def test_a_table_as_the_data_set(tmp_path):
    (tmp_path / "labels.csv").write_text("ImageID,XMin\n")
    assert "labels.csv is not read: export" in faults_of(tmp_path / "labels.csv")


def test_a_class_that_is_not_among_numbered_names(yolo):
    assert "expected a class of 1, 4, got 0" in faults_of(yolo(names="names: {1: a, 4: b}\n"))


def test_a_box_that_only_reaches_out_is_not_taken_for_pixels(yolo):
    text = faults_of(yolo("0 0.98 0.5 0.4 0.4"))
    assert "lies outside the image" in text and "pixels or percent" not in text


def test_a_label_file_without_its_image_says_what_to_do(yolo):
    text = faults_of(yolo(labels__train__lost=LINE))
    assert "lost.txt: has no image in train/; add the image, or remove the label file" in text
