import numpy as np
import pytest

from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.data.sample import sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE


def read_yolo(root, labels, **options):
    return read_dataset(root, ReadOptions(labels, **options), "yolo")


@pytest.fixture
def root(tmp_path, write_image):
    write_image(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "data.yaml").write_text("names: [forklift, person, dog]\n")
    return tmp_path


@pytest.mark.parametrize("content", [None, "", "\r\n"])
def test_no_boxes(root, content):
    if content is not None:
        (root / "labels" / "a.txt").write_text(content)
    sample = read_yolo(root, WAREHOUSE).samples[0]
    assert sample.boxes_xyxy.shape == (0, 4)
    assert sample.size_hw == (40, 60)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_fractions_to_pixels(root, end):
    (root / "labels" / "a.txt").write_bytes(
        end.join([b"1 0.5 0.5 0.5 0.25", b"0 0.1 0.5 0.2 1", b"2 .5 .5 .1 .1"])
    )
    sample = read_yolo(root, WAREHOUSE, rename={"dog": "background"}).samples[0]
    np.testing.assert_allclose(sample.boxes_xyxy, [[15, 15, 45, 25], [0, 0, 12, 40]], atol=1e-5)
    assert sample.class_ids.tolist() == [2, 3]
    assert sample.box_classes == (2, 3)


def test_an_unknown_class_with_boxes_is_a_fault(root):
    (root / "labels" / "a.txt").write_text("1 .5 .5 .1 .1")
    assert len(read_yolo(root, WAREHOUSE)) == 1
    (root / "labels" / "a.txt").write_text("1 .5 .5 .1 .1\n2 .5 .5 .1 .1")
    with pytest.raises(DatasetError, match="got 'dog' too; rename each"):
        read_yolo(root, WAREHOUSE)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.yaml", "names: {0: forklift, 1: person}"),
        ("data.yaml", "names:\n- forklift\n- person"),
        ("classes.txt", "forklift\r\nperson\r\n"),
        ("labels/classes.txt", "forklift\nperson\n"),
        ("../data.yaml", "names: [forklift, person]"),
    ],
)
def test_class_lists(root, name, content):
    inner = root / "train"
    inner.mkdir()
    for part in ("images", "labels"):
        (root / part).rename(inner / part)
    (root / "data.yaml").unlink()
    (inner / name).write_text(content)
    (inner / "labels" / "a.txt").write_text("1 0.5 0.5 0.5 0.25")
    assert read_yolo(inner, WAREHOUSE).samples[0].class_ids.tolist() == [2]


def test_one_split(tmp_path, write_image, write_mask):
    for split in ("train", "val"):
        write_image(tmp_path / "images" / split / f"{split}.png")
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / f"{split}.txt").write_text("0 0.5 0.5 0.5 0.25")
    write_mask(tmp_path / "masks" / "val" / "val.png", 1)
    (tmp_path / "data.yaml").write_text("names: [person]\ntrain: images/train\n")
    (sample,) = read_yolo(tmp_path / "images" / "val", WAREHOUSE).samples
    assert sample.image_path.name == "val.png"
    assert sample.class_ids.tolist() == [2]
    assert (sample_mask(sample) == 1).all()
    assert len(read_yolo(tmp_path, WAREHOUSE)) == 2
    assert len(read_yolo(tmp_path, WAREHOUSE, split="train")) == 1


def test_every_fault_at_once(root, write_image):
    write_image(root / "images" / "a.png")
    (root / "images" / "b.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (root / "labels" / "lost.txt").write_text("")
    lines = [
        "3 .5 .5 .1 .1",
        "1.5 .5 .5 .1 .1",
        "0 .5 .5",
        "x .5 .5 .1 .1",
        "0 .9 .5 .5 .1",
        "0 .5 .5 0 .1",
        "0" + " .5" * 41,
    ]
    (root / "labels" / "a.txt").write_text("\n".join(lines))
    with pytest.raises(DatasetError) as caught:
        read_yolo(root, WAREHOUSE, rename={"dog": "cat"})
    text = str(caught.value)
    for part in (
        "images/a.png: a.jpg has the same name without suffix",
        "images/b.jpg: not an image",
        "labels/lost.txt: has no image in images/",
        "labels/a.txt:1: expected a class of 0..2, got 3",
        "labels/a.txt:2: expected a class of 0..2, got 1.5",
        "labels/a.txt:3: expected 'class cx cy w h', got '0 .5 .5'",
        "labels/a.txt:4: expected 'class cx cy w h'",
        "labels/a.txt: box [39.0, 18.0, 69.0, 22.0] lies outside",
        "labels/a.txt: box [30.0, 18.0, 30.0, 22.0] has no area",
        "labels/a.txt:7: expected 'class cx cy w h'",
        "rename 'dog'",
    ):
        assert part in text
    assert "11 error(s)" in text


@pytest.mark.parametrize("content", ["names: 3", "nc: 3", "names: {a: b}", "names: ["])
def test_bad_class_lists(root, content):
    (root / "data.yaml").write_text(content)
    with pytest.raises(DatasetError, match=r"data\.yaml"):
        read_yolo(root, WAREHOUSE)


def test_no_class_list(root):
    (root / "data.yaml").unlink()
    with pytest.raises(DatasetError, match="class names are missing"):
        read_yolo(root, WAREHOUSE)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("train: images\nval: valid/images\n", ["names val: valid/images, which is not there"]),
        ("train: images\n", []),
        ("", []),
    ],
)
def test_a_split_that_leads_nowhere_is_told(root, lines, told):
    (root / "data.yaml").write_text(f"{lines}names: [forklift, person, dog]\n")
    (root / "labels" / "a.txt").write_text("1 0.5 0.5 0.5 0.25\n")
    notes = [n for n in read_yolo(root, WAREHOUSE).notes if "left out" in n]

    assert len(notes) == len(told) and all(
        text in note for text, note in zip(told, notes, strict=True)
    )
