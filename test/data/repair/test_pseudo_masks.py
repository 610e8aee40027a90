import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.data.repair.pseudo_masks import (
    CROP_SIDE,
    Opinion,
    compose,
    cut_out,
    forklifts,
    look,
    people,
    write_dataset,
)
from mtv_perception.data.repair.teachers import opinions_of
from mtv_perception.data.sample import Sample, sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE, LabelSet
from mtv_perception.types import Segmentation


def read_coco(root, labels, **options):
    return read_dataset(root, ReadOptions(labels, **options), "coco")


PERSON, FORKLIFT = WAREHOUSE.id_of("person"), WAREHOUSE.id_of("forklift")
SIZE_HW = (120, 160)
BOX = np.array([50.0, 20.0, 90.0, 100.0])
NONE = np.empty((0, 4))


def reds(crop):
    """A teacher that knows people by their red."""
    return (crop[..., 0] - crop[..., 1]).clip(0, 1)


def blind(crop):
    return np.zeros(crop.shape[:2], np.float32)


@pytest.fixture
def ellipse():
    """A red ellipse that fills BOX on grey, and its pixels."""
    image = np.full((*SIZE_HW, 3), 90, np.uint8)
    mask = np.zeros(SIZE_HW, np.uint8)
    cv2.ellipse(mask, (70, 60), (19, 39), 0, 0, 360, 1, -1)
    image[mask > 0] = (255, 0, 0)
    return image, mask > 0


def opinion(boxed=(), sure=(), denied=()):
    planes = []
    for parts in (boxed, sure, sure, denied):
        plane = np.zeros((4, 6), bool)
        plane[parts] = len(parts) > 0
        planes.append(plane)
    return Opinion(*planes)


def test_nobody(ellipse):
    found = people(ellipse[0], NONE, [reds])
    assert not any(part.any() for part in (found.boxed, found.likely, found.sure, found.denied))


@pytest.mark.parametrize("margin", [0.125, 0.25, 1.0])
@pytest.mark.parametrize(
    "box", [BOX, np.array([0.0, 0.0, 160.0, 120.0]), np.array([60.0, 40.0, 80.0, 80.0])]
)
def test_look_puts_the_crop_back_where_it_was(ellipse, box, margin):
    image, true = ellipse
    share = look(image, box, reds, margin)
    assert share.shape == SIZE_HW and share.dtype == np.float32
    x0, y0, x1, y1 = box.astype(int)
    inside = np.s_[y0:y1, x0:x1]
    assert ((share > 0.5) != true)[inside].mean() < 0.02


def test_crops_have_the_teachers_form(ellipse):
    seen = []
    people(ellipse[0], BOX[None], [lambda crop: seen.append(crop) or reds(crop)])
    assert {crop.shape for crop in seen} == {(CROP_SIDE, CROP_SIDE, 3)}
    assert all(crop.dtype == np.float32 and 0 <= crop.min() <= crop.max() <= 1 for crop in seen)


def test_sure_people_are_people_and_denied_pixels_are_not(ellipse):
    image, true = ellipse
    found = people(image, BOX[None], [reds])
    assert (
        found.sure[true].mean() > 0.9
        and not found.sure[~cv2.dilate(true.astype(np.uint8), None).astype(bool)].any()
    )
    assert found.denied.sum() > 200 and not found.denied[true].any()
    assert not (found.sure | found.denied)[~found.boxed].any()


def test_nothing_is_sure_where_teachers_disagree(ellipse):
    image, true = ellipse
    found = people(image, BOX[None], [reds, blind])
    assert not found.sure.any() and not found.denied.any()
    assert found.likely[true].mean() > 0.9


@pytest.mark.parametrize(
    "box",
    [
        pytest.param([40.0, 10.0, 150.0, 115.0], id="much larger than the person"),
        pytest.param([0.0, 0.0, 40.0, 100.0], id="nobody in it"),
        pytest.param([66.0, 50.0, 74.0, 70.0], id="tiny"),
    ],
)
def test_boxes_that_were_not_understood_stay_unknown(ellipse, box):
    found = people(ellipse[0], np.array([box]), [reds])
    assert found.boxed.any() and not found.sure.any() and not found.denied.any()


def test_a_neighbour_in_the_box_is_not_denied():
    image = np.full((*SIZE_HW, 3), 90, np.uint8)
    boxes = np.array([[20.0, 20.0, 60.0, 100.0], [50.0, 20.0, 90.0, 100.0]])
    image[20:100, 20:60] = image[20:100, 50:90] = (255, 0, 0)
    found = people(image, boxes, [reds])
    assert found.sure[25:95, 25:85].all() and not found.denied[20:100, 20:90].any()


def test_cut_out_fills_the_object_from_a_part_of_it(ellipse):
    image, true = ellipse
    seed = true.copy()
    seed[:50] = False
    found = cut_out(image, BOX, seed)
    assert (found & true).sum() / (found | true).sum() > 0.9
    np.testing.assert_array_equal(found, cut_out(image, BOX, seed))


def test_cut_out_without_a_seed_finds_nothing(ellipse):
    assert not cut_out(ellipse[0], BOX, np.zeros(SIZE_HW, bool)).any()
    assert not cut_out(ellipse[0], np.array([0.0, 0, 160, 120]), np.ones(SIZE_HW, bool)).any()


def test_forklifts_need_a_confident_model_and_no_person(ellipse):
    image, true = ellipse
    confidence = np.full(SIZE_HW, 255, np.uint8)
    confidence[:60] = 100
    person = np.zeros(SIZE_HW, bool)
    person[:, :60] = True
    seen = Segmentation(np.where(true, np.uint8(FORKLIFT), np.uint8(0)), confidence)
    found = forklifts(image, BOX[None], seen, FORKLIFT, person)
    assert found.likely.any() and not found.denied.any()
    assert found.sure[60:, 60:][true[60:, 60:]].mean() > 0.9
    assert not found.sure[:60].any() and not (found.sure & ~true).any()
    assert not forklifts(image, NONE, seen, FORKLIFT, person).likely.any()


def test_background_means_none_of_the_classes_told_apart():
    truck = opinion(boxed=np.s_[:, 2:], sure=np.s_[0, 4:])
    person = opinion(boxed=np.s_[1:, 1:4], sure=np.s_[2, 2], denied=np.s_[3, 1:4])
    both = {"forklift": truck, "person": person}
    U, P, F = 255, PERSON, FORKLIFT
    assert compose(both, WAREHOUSE, ["person"]).tolist() == [
        [0, 0, 0, 0, F, F],
        [0, U, U, U, 0, 0],
        [0, U, P, U, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    assert compose(both, WAREHOUSE, ["forklift"]).tolist() == [
        [0, 0, U, U, F, F],
        [0, 0, U, U, U, U],
        [0, 0, P, U, U, U],
        [0, 0, U, U, U, U],
    ]
    assert compose(both, WAREHOUSE, ["forklift", "person"]).tolist() == [
        [0, 0, U, U, F, F],
        [0, U, U, U, U, U],
        [0, U, P, U, U, U],
        [0, 0, U, U, U, U],
    ]


@pytest.mark.parametrize("name", ["forklift", "rail"])
def test_objects_without_a_teacher_are_unknown_in_their_boxes(name):
    image = np.zeros((*SIZE_HW, 3), np.uint8)
    ids = np.array([WAREHOUSE.id_of(name)], np.int32)
    sample = Sample(Path("x.jpg"), SIZE_HW, BOX[None].astype(np.float32), ids, np.zeros(1, bool))
    mask = compose(opinions_of(image, sample, [blind], None), WAREHOUSE, [name])
    assert (mask[20:100, 50:90] == 255).all() and (mask == 0).mean() > 0.7
    assert not compose(opinions_of(image, sample, [blind], None), WAREHOUSE, ["person"]).any()


def test_what_is_written_reads_back(tmp_path, write_image):
    source, out = tmp_path / "source", tmp_path / "new" / "out"
    write_image(source / "images" / "a.jpg", np.full((*SIZE_HW, 3), 90, np.uint8))
    (source / "annotations.json").write_text(
        '{"images": [{"id": 1, "file_name": "a.jpg", "width": 160, "height": 120}], '
        '"categories": [{"id": 1, "name": "person"}], '
        '"annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [50, 20, 40, 80]}]}'
    )
    samples = read_coco(source, WAREHOUSE).samples
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[30:40, 60:70], mask[50:60] = PERSON, 255
    write_dataset(source, out, WAREHOUSE, samples, [mask])
    (sample,) = read_coco(out, WAREHOUSE).samples
    np.testing.assert_array_equal(sample_mask(sample), mask)
    np.testing.assert_array_equal(sample.boxes_xyxy, samples[0].boxes_xyxy)
    assert sample.mask_classes == (PERSON,)
    with pytest.raises(DatasetError, match="does not exist yet"):
        write_dataset(source, out, WAREHOUSE, samples, [mask])


@pytest.mark.parametrize(
    "foreground", [("person", "forklift"), ("forklift", "person"), ("rail", "person", "forklift")]
)
def test_written_masks_mean_the_same_to_readers_with_other_classes(
    tmp_path, write_image, foreground
):
    source, out = tmp_path / "source", tmp_path / "out"
    index = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "person"}]}
    index["categories"].append({"id": 2, "name": "forklift"})
    for number, name in enumerate(("a.jpg", "near/b.jpg", "c.jpg")):
        write_image(source / "images" / name, np.full((*SIZE_HW, 3), 90, np.uint8))
        index["images"].append({"id": number, "file_name": name, "width": 160, "height": 120})
        for category in (1, 2):
            box = {"image_id": number, "category_id": category, "bbox": [50, 20, 40, 80]}
            index["annotations"].append({"id": 2 * number + category, **box})
    (source / "annotations.json").write_text(json.dumps(index))
    samples = read_coco(source, WAREHOUSE).samples[1:]
    masks = [np.zeros(SIZE_HW, np.uint8) for _ in samples]
    masks[0][30:40, 60:70], masks[0][50:60] = PERSON, 255
    masks[1][30:40, 60:70] = FORKLIFT
    write_dataset(source, out, WAREHOUSE, samples, masks)

    labels = LabelSet(("background", *foreground))
    read = read_coco(out, labels)
    assert [sample.image_path.name for sample in read.samples] == ["b.jpg", "c.jpg"]
    seen = [sample_mask(sample) for sample in read.samples]
    assert [labels.names[mask[35, 65]] for mask in seen] == ["person", "forklift"]
    assert seen[0][55, 65] == 255 and not seen[1][0, 0]
    assert [labels.names[c] for c in read.samples[0].class_ids] == ["person", "forklift"]
