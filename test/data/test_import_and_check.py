import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtv_perception.cli.main import main
from mtv_perception.data.coco_writer import write_coco
from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import find_format, find_splits, read_dataset
from mtv_perception.data.sample import sample_image, sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE, labels_with_background
from mtv_perception.yaml_text import parse_yaml

_SPEC = importlib.util.spec_from_file_location(
    "layouts", Path(__file__).parent / "formats" / "layouts.py"
)
layouts = importlib.util.module_from_spec(_SPEC)
__import__("sys").modules["layouts"] = layouts
_SPEC.loader.exec_module(layouts)


def read(root, labels=WAREHOUSE, **options):
    return read_dataset(root, ReadOptions(labels, **options))


def contents(dataset):
    """Boxes by class name, and pixels by class name, of the pictures in any order of names."""
    names, found = dataset.labels.names, []
    for sample in dataset.samples:
        boxes = {
            (names[i], *box.round(2).tolist())
            for i, box in zip(sample.class_ids, sample.boxes_xyxy, strict=True)
        }
        mask = sample_mask(sample)
        pixels = (
            None if mask is None else {names[i]: int((mask == i).sum()) for i in set(mask.flat)}
        )
        found.append((sorted(boxes), pixels))
    return sorted(found, key=str)


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_what_is_imported_is_what_was_there(tmp_path, name, capsys):
    layout = layouts.LAYOUTS[name]
    layout.write(tmp_path / "source")
    assert main(["data", "import", str(tmp_path / "source"), "--out", str(tmp_path / "out")]) == 0
    assert "names: [rail, person, forklift]" in capsys.readouterr().out
    assert find_format(tmp_path / "out")[0] == "coco"
    assert contents(read(tmp_path / "out")) == contents(read(tmp_path / "source"))
    if len(layout.splits) > 1:
        assert len(find_splits(tmp_path / "out")) == 2
        assert len(read(tmp_path / "out", split="train")) == 2


@pytest.mark.parametrize("name", ["semantic", "reference list"])
def test_masks_are_read_by_name_whatever_the_order_of_classes(tmp_path, name):
    layouts.LAYOUTS[name].write(tmp_path / "source")
    main(["data", "import", str(tmp_path / "source"), "--out", str(tmp_path / "out")])
    other = labels_with_background(("forklift", "crate", "person"))
    assert contents(read(tmp_path / "out", other)) == contents(read(tmp_path / "source"))


def test_an_empty_folder_of_masks_hides_no_polygons(tmp_path):
    layouts.LAYOUTS["Roboflow COCO"].write(tmp_path / "source")
    before = contents(read(tmp_path / "source"))
    assert any(pixels for _, pixels in before)
    for folder in (tmp_path / "source").glob("*/"):
        (folder / "masks").mkdir()
    assert contents(read(tmp_path / "source")) == before


def test_what_is_labelled_wholly_is_printed_for_the_configuration(tmp_path, capsys):
    layouts.plain_yolo(tmp_path / "source")
    out = ["--out", str(tmp_path / "out"), "--box-classes", "person"]
    assert main(["data", "import", str(tmp_path / "source"), *out]) == 0
    assert "box_classes: [person]" in capsys.readouterr().out.splitlines()


def test_own_classes_are_imported_under_their_names(tmp_path, capsys):
    layouts.plain_yolo(tmp_path / "source")
    (tmp_path / "source" / "classes.txt").write_text("no\ntruck\n")
    out = tmp_path / "out"
    assert main(["data", "import", str(tmp_path / "source"), "--out", str(out)]) == 0
    assert "names: ['no', truck]" in capsys.readouterr().out
    labels = labels_with_background(("truck", "no"))
    counts = [len(sample.class_ids) for sample in read(out, labels).samples]
    assert sum(counts) == 4


def test_images_of_one_name_in_two_folders_stay_apart(tmp_path, write_image):
    samples = []
    for number, folder in enumerate(("x", "y", "z/x")):
        write_image(tmp_path / folder / "a.png", np.full((40, 60, 3), 50 * number, np.uint8))
        samples.append({"image": f"{folder}/a.png"})
    (tmp_path / "samples.json").write_text(json.dumps(samples))
    write_coco(read(tmp_path), tmp_path / "out")
    found = [int(sample_image(s)[0, 0, 0]) for s in read(tmp_path / "out").samples]
    assert found == [0, 50, 100]


def test_a_folder_with_files_is_not_written_into(tmp_path):
    layouts.plain_yolo(tmp_path / "source")
    with pytest.raises(DatasetError, match="does not exist yet"):
        write_coco(read(tmp_path / "source"), tmp_path / "source")


def check(root, *options):
    page = root.parent / "page.html"
    status = main(["data", "check", str(root), "--out", str(page), *options])
    return status, page.read_text() if page.is_file() else ""


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_a_good_set_has_no_errors(tmp_path, name, capsys):
    layouts.LAYOUTS[name].write(tmp_path / "floor")
    status, page = check(tmp_path / "floor")
    assert status == 0 and "Labels of floor" in page
    assert "0 errors, 0 to look at" in capsys.readouterr().out


def test_every_problem_is_listed_with_its_picture(tmp_path, capsys):
    root = tmp_path / "floor"
    layouts.plain_yolo(root)
    lines = ["0 .9 .5 .4 .2", "0 .5 .5 0 .1", "7 .5 .5 .1 .1", "0 .5 .5"]
    (root / "labels" / "a1.txt").write_text("\n".join(lines))
    (root / "labels" / "lost.txt").write_text("")
    (root / "images" / "b2.jpg").write_bytes(b"\xff\xd8\xff no picture")
    status, page = check(root)
    out = capsys.readouterr().out
    assert status == 1 and "6 errors, 0 to look at" in out
    for text in (
        "lies outside",
        "has no area",
        "expected a class of 0..1, got 7",
        "lost.txt: has no",
    ):
        assert text in out and text in page
    assert page.count("<img") == 2  # of the two boxes; the broken picture can't be shown
    assert page.count("<figure") == 3


def test_unlikely_labels_are_shown_and_are_no_errors(tmp_path, capsys):
    root = tmp_path / "floor"
    layouts.plain_yolo(root)
    lines = ["0 .5 .5 .4 .4", "0 .5 .5 .4 .405", "1 .5 .5 .4 .4", "0 .1 .1 .01 .1"]
    (root / "labels" / "a1.txt").write_text("\n".join(lines))
    (root / "images" / "d4.jpg").write_bytes((root / "images" / "c3.jpg").read_bytes())
    status, page = check(root)
    out = capsys.readouterr().out
    assert status == 0 and "0 errors, 5 to look at" in out
    for text in (
        "person boxed twice",
        "two boxes at the same place, one person, one forklift",
        "the same picture as",
    ):
        assert text in out and text in page
    assert len(re.findall("<img", page)) == 5
    assert "1 of 4 images have no label file" in out


@pytest.mark.parametrize("content", [None, "not a data set"])
def test_what_is_no_data_set_is_said_in_one_sentence(tmp_path, content, capsys):
    if content:
        (tmp_path / "floor").mkdir()
        (tmp_path / "floor" / "notes.txt").write_text(content)
    assert check(tmp_path / "floor")[0] == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_picture_that_exif_turns_is_written_as_its_labels_see_it(tmp_path, write_image):
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20, :30] = 255
    path = write_image(tmp_path / "floor" / "images" / "a.jpg", image)
    content = path.read_bytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    length = (len(exif) + 2).to_bytes(2, "big")
    path.write_bytes(content[:2] + b"\xff\xe1" + length + exif + content[2:])
    for size, corner in (((40, 60), (5, 5)), ((60, 40), (5, 35))):
        index = {
            "images": [{"id": 1, "file_name": "a.jpg", "width": size[1], "height": size[0]}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}],
            "categories": [{"id": 1, "name": "person"}],
        }
        (tmp_path / "floor" / "annotations.json").write_text(json.dumps(index))
        out = tmp_path / f"out-{size[0]}"
        write_coco(read(tmp_path / "floor"), out)
        written = cv2.imread(str(out / "images" / "a.jpg"), cv2.IMREAD_IGNORE_ORIENTATION)
        assert written.shape[:2] == size and written[corner].min() > 200
        assert not read(out).notes


CVAT = """<annotations>
<image id="0" name="a.png" width="60" height="40">
<polygon label="rail" points="0,0;30,0;30,10;0,10" occluded="0"/></image>
<image id="1" name="b.png" width="60" height="40">
<box label="person" xtl="5" ytl="5" xbr="20" ybr="30" occluded="0"/></image>
<image id="2" name="c.png" width="60" height="40"/>
</annotations>"""


def test_images_without_labelled_pixels_stay_so(tmp_path, write_image):
    """As background they would teach that there is no rail."""
    for name in "abc":
        write_image(tmp_path / "source" / "images" / f"{name}.png", np.zeros((40, 60, 3), np.uint8))
    (tmp_path / "source" / "annotations.xml").write_text(CVAT)
    write_coco(read(tmp_path / "source"), tmp_path / "out")

    assert contents(read(tmp_path / "out")) == contents(read(tmp_path / "source"))
    masks = {s.image_path.stem: sample_mask(s) for s in read(tmp_path / "out").samples}
    assert masks["b"] is None and masks["c"] is None and (masks["a"] == 1).any()


def test_a_part_without_the_bare_box_keeps_its_unlabelled_image(tmp_path, write_image):
    """In image b a box lacks an outline; without b all objects have one."""
    for name in "abc":
        write_image(tmp_path / "source" / "images" / f"{name}.png", np.zeros((40, 60, 3), np.uint8))
    (tmp_path / "source" / "annotations.xml").write_text(CVAT)
    dataset = read(tmp_path / "source")
    part = replace(dataset, samples=(dataset.samples[0], dataset.samples[2]))
    write_coco(part, tmp_path / "out")

    assert contents(read(tmp_path / "out")) == contents(part)


def test_many_images_of_one_name_stay_apart(tmp_path, write_image):
    samples = []
    names = ["a/cam/img-3", "p/cam/img", "q/cam/img", "r/cam/img", "s/cam/img"]
    for number, name in enumerate(names):
        write_image(tmp_path / f"{name}.png", np.full((40, 60, 3), 50 * number, np.uint8))
        samples.append({"image": f"{name}.png"})
    (tmp_path / "samples.json").write_text(json.dumps(samples))
    write_coco(read(tmp_path), tmp_path / "out")

    found = sorted(int(sample_image(s)[0, 0, 0]) for s in read(tmp_path / "out").samples)
    assert found == [0, 50, 100, 150, 200]


@pytest.mark.parametrize("subset", ["/tmp/elsewhere", "../elsewhere", ".."])
def test_an_import_stays_in_its_folder(tmp_path, write_image, subset, capsys):
    text = CVAT.replace(' id="0"', f' id="0" subset="{subset}"').replace(
        ' id="1"', ' id="1" subset="train"'
    )
    for name in "abc":
        write_image(tmp_path / "source" / "images" / f"{name}.png", np.zeros((40, 60, 3), np.uint8))
    (tmp_path / "source" / "annotations.xml").write_text(text)

    assert main(["data", "import", str(tmp_path / "source"), "--out", str(tmp_path / "out")]) == 2
    assert "--split" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not (tmp_path / "elsewhere").exists()


@pytest.fixture
def splits(tmp_path, write_image):
    """Images a, b and c in `train`, d and e in `valid`, as Roboflow exports COCO."""
    root = tmp_path / "source"
    for split, names in (("train", "abc"), ("valid", "de")):
        for name in names:
            write_image(root / split / f"{name}.png", np.zeros((40, 60, 3), np.uint8))
        images = [
            {"id": name, "file_name": f"{name}.png", "width": 60, "height": 40} for name in names
        ]
        box = {"image_id": names[0], "category_id": 1, "bbox": [5, 5, 20, 30]}
        index = {
            "images": images,
            "annotations": [box],
            "categories": [{"id": 1, "name": "person"}],
        }
        (root / split / "_annotations.coco.json").write_text(json.dumps(index))
    return root


@pytest.mark.parametrize(
    ("listed", "written"),
    [
        (["train/a.png", "train/b.png"], ["train/images/a.png", "train/images/b.png"]),
        (["valid/d.png", "train/a.png"], ["train/images/a.png", "valid/images/d.png"]),
    ],
)
def test_a_list_takes_images_of_any_split(tmp_path, splits, listed, written):
    (tmp_path / "list.txt").write_text("\n".join(listed))
    out = tmp_path / "out"
    take = ["--take", f"list:{tmp_path / 'list.txt'}"]
    assert main(["data", "import", str(splits), *take, "--out", str(out)]) == 0
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png")) == written


def test_a_fold_is_one_of_all_splits_together(tmp_path, splits):
    out = tmp_path / "out"
    assert main(["data", "import", str(splits), "--fold", "3/4", "--out", str(out)]) == 0
    assert [path.name for path in out.rglob("*.png")] == ["d.png"]


@pytest.mark.parametrize("take", ["list:{folder}/list.txt", "fold:7/8"])
def test_nothing_is_written_unless_all_can_be(tmp_path, splits, take, capsys):
    (tmp_path / "list.txt").write_text("train/a.png\nother/a.png\n")
    out, faulty = str(tmp_path / "out"), splits / "valid" / "d.png"
    options = ["--take", take.format(folder=tmp_path), "--out", out]
    assert main(["data", "import", str(splits), *options]) == 2
    faulty.unlink()
    assert main(["data", "import", str(splits), "--out", out]) == 2
    assert "no such image file" in capsys.readouterr().err and not Path(out).exists()


@pytest.mark.parametrize("option", [["--fold", "0/9"], ["--take", "list:/nothing.txt"]])
def test_check_refuses_what_it_would_ignore(tmp_path, option, capsys):
    layouts.plain_yolo(tmp_path / "floor")
    assert check(tmp_path / "floor", *option)[0] == 2
    assert "reads the whole data set" in capsys.readouterr().err


def test_the_names_to_paste_are_yaml(tmp_path, write_image, capsys):
    names = ["no", "a,b", "1e3", "fork lift"]
    write_image(tmp_path / "data" / "images" / "a.png")
    (tmp_path / "data" / "labels").mkdir()
    lines = [f"{number} 0.5 0.5 0.2 0.{number + 1}\n" for number in range(len(names))]
    (tmp_path / "data" / "labels" / "a.txt").write_text("".join(lines))
    (tmp_path / "data" / "classes.txt").write_text("\n".join(names))
    assert main(["data", "import", str(tmp_path / "data"), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert parse_yaml(told.encode())["names"] == names
