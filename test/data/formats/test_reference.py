import json

import numpy as np
import pytest

from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.data.sample import sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE


def read_reference(root, labels, **options):
    return read_dataset(root, ReadOptions(labels, **options), "reference")


@pytest.fixture
def write_set(tmp_path, write_image, write_mask):
    """Write one sample with this CSV, under this name of the index."""

    def write(csv, index="train.json", mask=1):
        write_image(tmp_path / "images" / "a.png")
        write_mask(tmp_path / "masks" / "a.png", mask)
        (tmp_path / "boxes").mkdir(exist_ok=True)
        (tmp_path / "boxes" / "a.csv").write_bytes(csv)
        entry = {"image": "images/a.png", "mask": "masks/a.png", "boxes": "boxes/a.csv"}
        path = tmp_path / index
        path.write_text(json.dumps([entry]))
        return path

    return write


@pytest.mark.parametrize("csv", [b"", b"\n", b"\r\n\r\n", b"label,xmin,ymin,xmax,ymax\r\n"])
def test_no_boxes(write_set, csv):
    sample = read_reference(write_set(csv), WAREHOUSE).samples[0]
    assert sample.boxes_xyxy.shape == (0, 4)
    assert sample.box_classes == ()
    assert sample.mask_classes == (1,)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "header", ["", "label,xmin,ymin,xmax,ymax", "\ufefflabel, xmin, ymin, xmax, ymax"]
)
@pytest.mark.parametrize("last", ["", "\n"])
def test_ids_and_names(write_set, end, header, last):
    lines = [*([header] if header else []), "2,1,2,11,22", "forklift, 0.5, 0, 60, 40"]
    sample = read_reference(write_set((end.join(lines) + last).encode()), WAREHOUSE).samples[0]
    assert sample.class_ids.tolist() == [2, 3]
    np.testing.assert_array_equal(sample.boxes_xyxy, [[1, 2, 11, 22], [0.5, 0, 60, 40]])
    assert sample.box_classes == (2, 3)
    assert (sample_mask(sample) == 1).all()


def test_folder_with_samples_json(write_set):
    path = write_set(b"1,0,0,5,5", index="samples.json")
    dataset = read_reference(path.parent, WAREHOUSE)
    assert dataset.name == path.parent.name
    assert len(dataset) == 1


def test_name_of_an_index_file(write_set):
    assert read_reference(write_set(b""), WAREHOUSE).name == "train"


def test_renamed(write_set):
    sample = read_reference(
        write_set(b"truck,0,0,5,5\nvan,0,0,9,9"),
        WAREHOUSE,
        rename={"truck": "forklift", "van": "background"},
    ).samples[0]
    assert sample.class_ids.tolist() == [3]


def test_image_alone(tmp_path, write_image):
    path = write_image(tmp_path / "a.png")
    (tmp_path / "all.json").write_text(json.dumps([{"image": str(path), "mask": None}]))
    sample = read_reference(tmp_path / "all.json", WAREHOUSE).samples[0]
    assert sample.image_path == path
    assert sample_mask(sample) is None


def test_every_fault_at_once(write_set):
    csv = "person,1,2,3\n9,1,1,2,2\nrails,1,1,2,2\nperson,1,1,nan,2\n0,1,1,2,2\n1,50,1,90,9\n2,9,9,9,12\n"
    path = write_set(csv.encode(), mask=9)
    entries = [
        *json.loads(path.read_text()),
        {"image": "gone.png", "boxes": "gone.csv", "mask": "gone_mask.png"},
        {"img": "x"},
        "x",
    ]
    path.write_text(json.dumps(entries))
    with pytest.raises(DatasetError) as caught:
        read_reference(path, WAREHOUSE)
    text = str(caught.value)
    for part in (
        "boxes/a.csv:1: expected label,xmin,ymin,xmax,ymax, got 'person,1,2,3'",
        "boxes/a.csv:2: expected a class of background, forklift, person, rail or its id, got '9'",
        "boxes/a.csv:3: expected a class",
        "boxes/a.csv:4: expected label",
        "boxes/a.csv:5: expected a class",
        "boxes/a.csv: box [50.0, 1.0, 90.0, 9.0] lies outside the image of 60x40 pixels",
        "boxes/a.csv: box [9.0, 9.0, 9.0, 12.0] has no area",
        "masks/a.png: expected mask values below 4 or 255, got [9]",
        "gone.csv: expected a text file",
        "gone.png: no such image file",
        "gone_mask.png: no such mask file",
        "train.json[2]: expected paths under image, mask, boxes",
        "train.json[3]: expected paths under image, mask, boxes",
    ):
        assert part in text
    assert "13 error(s)" in text


@pytest.mark.parametrize(
    ("content", "text"),
    [("{}", "a JSON list"), ("[", "could not read"), ("[]", "empty data set")],
)
def test_bad_index(tmp_path, content, text):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DatasetError, match=text):
        read_reference(tmp_path / "a.json", WAREHOUSE)
