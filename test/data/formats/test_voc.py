import numpy as np
import pytest

from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.data.sample import sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE


def read_voc(root, labels, **options):
    return read_dataset(root, ReadOptions(labels, **options), "voc")


SIZE = "<size><width>60</width><height>40</height><depth>3</depth></size>"


def describe_object(name, corners, extra=""):
    box = "".join(
        f"<{key}>{value}</{key}>"
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{name}</name>{extra}<bndbox>{box}</bndbox></object>"


def write_xml(root, *objects, name="a", filename="a.jpg", size=SIZE):
    (root / "Annotations").mkdir(exist_ok=True)
    text = f"<annotation><filename>{filename}</filename>{size}{''.join(objects)}</annotation>"
    (root / "Annotations" / f"{name}.xml").write_text(text)


@pytest.fixture
def root(tmp_path, write_image):
    write_image(tmp_path / "JPEGImages" / "a.jpg")
    return tmp_path


def test_no_objects(root):
    write_xml(root)
    sample = read_voc(root, WAREHOUSE).samples[0]
    assert sample.boxes_xyxy.shape == (0, 4)
    assert sample_mask(sample) is None


def test_pixels_counted_from_one_become_edges(root):
    write_xml(
        root, describe_object("person", (1, 1, 60, 40)), describe_object("person", (11, 6, 11, 6))
    )
    sample = read_voc(root, WAREHOUSE).samples[0]
    np.testing.assert_array_equal(sample.boxes_xyxy, [[0, 0, 60, 40], [10, 5, 11, 6]])


def test_difficult_names_and_parts(root):
    part = "<part><name>head</name><bndbox><xmin>3</xmin></bndbox></part>"
    write_xml(
        root,
        describe_object("person", (2, 2, 9, 9), "<difficult>1</difficult>"),
        describe_object("truck", (2, 2, 9, 9), "<difficult>0</difficult>" + part),
        describe_object("dog", (2, 2, 9, 9)),
    )
    with pytest.raises(DatasetError, match="got 'dog' too; rename each"):
        read_voc(root, WAREHOUSE, rename={"truck": "forklift"})
    sample = read_voc(root, WAREHOUSE, rename={"truck": "forklift", "dog": "background"}).samples[0]
    assert sample.class_ids.tolist() == [2, 3]
    assert sample.crowd.tolist() == [True, False]


@pytest.mark.parametrize("filename", ["", "elsewhere.png", "a.jpg"])
@pytest.mark.parametrize("size", ["", "<size><width>0</width><height>0</height></size>", SIZE])
def test_careless_headers(root, filename, size):
    write_xml(root, filename=filename, size=size)
    sample = read_voc(root, WAREHOUSE).samples[0]
    assert sample.image_path == root / "JPEGImages" / "a.jpg"
    assert sample.size_hw == (40, 60)


def test_images_without_annotation_are_left_out(root, write_image, write_mask):
    write_image(root / "JPEGImages" / "b.jpg")
    write_mask(root / "masks" / "a.png", 3)
    write_xml(root)
    (sample,) = read_voc(root, WAREHOUSE).samples
    assert sample.mask_classes == (3,)


def test_an_object_with_two_boxes_is_refused(root):
    two = describe_object("person", (1, 1, 9, 9)).replace(
        "</object>", "<bndbox><xmin>2</xmin></bndbox></object>"
    )
    write_xml(root, two)
    with pytest.raises(DatasetError, match="object 0: expected one name and one bndbox"):
        read_voc(root, WAREHOUSE)


def test_every_fault_at_once(root):
    write_xml(
        root,
        describe_object("person", (1, 1, 99, 40)),
        describe_object("", (1, 1, 9, 9)),
        describe_object("rail", (1, 1, "x", 9)),
    )
    write_xml(root, name="b", filename="b.jpg")
    write_xml(root, name="c", filename="a.jpg", size=SIZE.replace("60", "61"))
    write_xml(root, describe_object("Forklift", (1, 1, 9, 9)), name="d", filename="a.jpg")
    (root / "Annotations" / "e.xml").write_text("<annotation>")
    with pytest.raises(DatasetError) as caught:
        read_voc(root, WAREHOUSE)
    text = str(caught.value)
    for part in (
        "Annotations/a.xml: box [0.0, 0.0, 99.0, 40.0] lies outside the image of 60x40 pixels",
        "Annotations/a.xml: object 1: expected one name and one bndbox",
        "Annotations/a.xml: object 2: expected one name and one bndbox",
        "JPEGImages/b.jpg: no such image file",
        "JPEGImages/a.jpg: expected 61x40 pixels as annotated, got an image of 60x40 pixels",
        "class 'Forklift': expected 'forklift'; rename it (--rename Forklift=forklift)",
        "Annotations/e.xml: expected an XML annotation",
        "JPEGImages/a.jpg: listed 3 times",
    ):
        assert part in text
    assert "8 error(s)" in text


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetError, match="found none"):
        read_voc(tmp_path, WAREHOUSE)


@pytest.mark.parametrize(
    ("lines", "stems"),
    [
        (("IMG 1", "IMG 2"), {"IMG 1", "IMG 2"}),
        (('"IMG 1"', "'IMG 2'"), {"IMG 1", "IMG 2"}),
        (("folder\\IMG 1", "folder/IMG 2"), {"IMG 1", "IMG 2"}),
        (("IMG 1 ", "", "b"), {"IMG 1", "b"}),
    ],
)
def test_names_with_blanks_in_lists_are_names(tmp_path, write_image, lines, stems):
    write_named(tmp_path, write_image, "IMG 1", "IMG 2", "b")
    write_lists(tmp_path, train=lines, person_train=("IMG 1 -1", "IMG 2  1", "b  0"))
    dataset = read_voc(tmp_path, WAREHOUSE)
    assert {sample.image_path.stem for sample in dataset.samples} == stems
    left_out = [note for note in dataset.notes if "in no list" in note]
    assert [note.split()[0] for note in left_out] == [str(3 - len(stems))]


def test_no_note_where_every_annotation_is_listed(tmp_path, write_image):
    write_named(tmp_path, write_image, "a", "b 1")
    write_lists(tmp_path, train=("a",), val=("b 1",))
    dataset = read_voc(tmp_path, WAREHOUSE)
    assert len(dataset) == 2 and not any("in no list" in note for note in dataset.notes)


def write_named(root, write_image, *names):
    for name in names:
        write_image(root / "JPEGImages" / f"{name}.jpg")
        write_xml(root, describe_object("person", (2, 2, 9, 9)), name=name, filename=f"{name}.jpg")


def write_lists(root, **lists):
    folder = root / "ImageSets" / "Main"
    folder.mkdir(parents=True)
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


def test_annotations_in_folders_below_are_read_by_their_path(tmp_path, write_image, write_mask):
    """As CVAT writes tasks whose images are in folders; the same name may be in two."""
    for folder, corners in (("day", (1, 1, 10, 10)), ("night", (1, 1, 20, 20))):
        write_image(tmp_path / "JPEGImages" / folder / "a.jpg")
        (tmp_path / "Annotations" / folder).mkdir(parents=True)
        write_xml(
            tmp_path,
            describe_object("person", corners),
            name=f"{folder}/a",
            filename=f"{folder}/a.jpg",
        )
    write_mask(tmp_path / "masks" / "night" / "a.png", 2)
    samples = {s.image_path.parent.name: s for s in read_voc(tmp_path, WAREHOUSE).samples}
    assert {name: sample.boxes_xyxy.max() for name, sample in samples.items()} == {
        "day": 10,
        "night": 20,
    }
    assert sample_mask(samples["day"]) is None
    assert (sample_mask(samples["night"]) == 2).all()

    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("day/a\n")
    (lists / "val.txt").write_text("night/a\n")
    (sample,) = read_voc(tmp_path, WAREHOUSE, split="val").samples
    assert sample.image_path.parent.name == "night"


def test_an_object_with_two_names_is_refused(root):
    write_xml(root, describe_object("car</name><name>person", (1, 1, 9, 9)))
    with pytest.raises(DatasetError, match="object 0: expected one name and one bndbox"):
        read_voc(root, WAREHOUSE)


@pytest.mark.parametrize("encoding", ["punycode", "undefined", "octarine"])
def test_an_encoding_that_does_not_decode_names_the_file(root, encoding):
    write_xml(root)
    path = root / "Annotations" / "a.xml"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><annotation/>')
    with pytest.raises(DatasetError, match=rf"a\.xml: .*known text encoding, got '{encoding}'"):
        read_voc(root, WAREHOUSE)
