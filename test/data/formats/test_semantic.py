import numpy as np
import pytest

from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.data.sample import sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE


def read_semantic(root, labels, **options):
    return read_dataset(root, ReadOptions(labels, **options), "semantic")


@pytest.fixture
def root(tmp_path, write_image, write_mask):
    write_image(tmp_path / "images" / "a.jpg")
    mask = np.zeros((40, 60), np.uint8)
    mask[:10], mask[10:20], mask[20:30] = 1, 3, 255
    write_mask(tmp_path / "masks" / "a.png", mask)
    return tmp_path


def rows(mask):
    """The value of each of the four bands."""
    assert (mask == mask[:, :1]).all()
    return mask[[5, 15, 25, 35], 0].tolist()


def test_values_are_class_ids(root):
    sample = read_semantic(root, WAREHOUSE).samples[0]
    assert rows(sample_mask(sample)) == [1, 3, 255, 0]
    assert sample.boxes_xyxy.shape == (0, 4)
    assert (sample.box_classes, sample.mask_classes) == ((), (1, 3))


def test_background_alone(tmp_path, write_image, write_mask):
    write_image(tmp_path / "images" / "a.png")
    write_mask(tmp_path / "masks" / "a.png", 0)
    assert read_semantic(tmp_path, WAREHOUSE).samples[0].mask_classes == ()
    stated = read_semantic(
        tmp_path, WAREHOUSE, box_classes=("person",), mask_classes=("rail", "person")
    ).samples[0]
    assert (stated.box_classes, stated.mask_classes) == ((2,), (1, 2))


def test_values_are_places_in_a_class_list(root):
    (root / "classes.txt").write_text("void\r\nhuman\r\nshelf\r\ntrack\r\n")
    sample = read_semantic(root, WAREHOUSE, rename={"human": "person", "track": "rail"}).samples[0]
    assert rows(sample_mask(sample)) == [2, 1, 255, 0]
    assert sample.mask_classes == (1, 2)


def test_other_names_are_background(root):
    (root / "classes.txt").write_text("background\nshelf\nfloor\nrail\n")
    assert rows(sample_mask(read_semantic(root, WAREHOUSE).samples[0])) == [0, 1, 255, 0]


def test_every_fault_at_once(root, write_image, write_mask):
    write_image(root / "images" / "b.jpg")
    write_image(root / "images" / "c.jpg")
    write_image(root / "images" / "d.jpg")
    write_mask(root / "masks" / "c.png", 4, (20, 30))
    colours = np.zeros((40, 60, 3), np.uint8)
    colours[:5] = (0, 60, 220)
    write_mask(root / "masks" / "d.png", colours)
    write_mask(root / "masks" / "lost.png")
    with pytest.raises(DatasetError) as caught:
        read_semantic(root, WAREHOUSE)
    text = str(caught.value)
    for part in (
        "masks/b.png: no such mask file",
        "masks/c.png: expected a mask of 60x40 pixels as its image, got 30x20 pixels",
        "masks/c.png: expected mask values below 4 or 255, got [4]",
        "masks/d.png: expected an 8-bit one-channel mask",
        "masks/lost.png: has no image in images/",
    ):
        assert part in text
    assert "5 error(s)" in text


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetError, match="found none"):
        read_semantic(tmp_path, WAREHOUSE)


@pytest.mark.parametrize("place", ["split", "above"])
@pytest.mark.parametrize("opened", ["whole", "split"])
def test_a_class_list_is_found_beside_the_masks_or_above_the_splits(
    tmp_path, write_image, write_mask, place, opened
):
    for split in ("train", "val"):
        write_image(tmp_path / split / "images" / f"{split}.jpg")
        mask = np.zeros((40, 60), np.uint8)
        mask[:10] = 1
        write_mask(tmp_path / split / "masks" / f"{split}.png", mask)
        if place == "split":
            (tmp_path / split / "classes.txt").write_text("background\nperson\n")
    if place == "above":
        (tmp_path / "classes.txt").write_text("background\nperson\n")
    root = tmp_path / "train" if opened == "split" else tmp_path

    for sample in read_semantic(root, WAREHOUSE).samples:
        assert rows(sample_mask(sample)) == [2, 0, 0, 0]


def test_each_split_says_for_itself_what_its_masks_mean(tmp_path, write_image, write_mask):
    for split, names in (("train", "background\nperson\n"), ("val", "background\nrail\nperson\n")):
        write_image(tmp_path / split / "images" / f"{split}.jpg")
        mask = np.zeros((40, 60), np.uint8)
        mask[:10], mask[10:20] = 1, len(names.split()) - 1
        write_mask(tmp_path / split / "masks" / f"{split}.png", mask)
        (tmp_path / split / "classes.txt").write_text(names)
    found = {
        sample.image_path.stem: rows(sample_mask(sample))
        for sample in read_semantic(tmp_path, WAREHOUSE).samples
    }
    assert found == {"train": [2, 2, 0, 0], "val": [1, 2, 0, 0]}
