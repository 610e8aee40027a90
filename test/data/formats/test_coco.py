import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.data.sample import sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE


def read_coco(root, labels, **options):
    return read_dataset(root, ReadOptions(labels, **options), "coco")


CATEGORIES = [{"id": 7, "name": "person"}, {"id": 9, "name": "truck"}, {"id": 11, "name": "dog"}]
IMAGE = {"id": 1, "file_name": "a.png", "width": 60, "height": 40}
POLYGON = [10.0, 5.0, 30.5, 5.0, 30.5, 25.0, 10.0, 25.0]


def write_index(root, annotations=(), images=(IMAGE,), categories=CATEGORIES):
    root.mkdir(exist_ok=True)
    listed = [
        {"id": number, "image_id": 1, "category_id": 7, **item}
        for number, item in enumerate(annotations)
    ]
    index = {"images": list(images), "annotations": listed, "categories": list(categories)}
    (root / "annotations.json").write_text(json.dumps(index))


@pytest.fixture
def root(tmp_path, write_image):
    write_image(tmp_path / "images" / "a.png")
    return tmp_path


def test_no_annotations(root):
    write_index(root)
    sample = read_coco(root, WAREHOUSE).samples[0]
    assert sample.boxes_xyxy.shape == (0, 4)
    assert sample.class_ids.shape == sample.crowd.shape == (0,)
    assert sample.box_classes == sample.mask_classes == ()
    assert sample_mask(sample) is None


def test_no_images(tmp_path):
    write_index(tmp_path, images=())
    with pytest.raises(DatasetError, match="empty data set"):
        read_coco(tmp_path, WAREHOUSE)


def test_boxes_names_and_crowds(root):
    write_index(
        root,
        [
            {"bbox": [1, 2, 10, 20]},
            {"bbox": [30, 5, 31, 10], "category_id": 9, "iscrowd": 1},
            {"bbox": [0, 0, 5, 5], "category_id": 11},
        ],
    )
    sample = read_coco(root, WAREHOUSE, rename={"truck": "forklift", "dog": "background"}).samples[
        0
    ]
    np.testing.assert_array_equal(sample.boxes_xyxy, [[1, 2, 11, 22], [30, 5, 60, 15]])
    assert sample.boxes_xyxy.dtype == np.float32
    assert sample.class_ids.tolist() == [2, 3]
    assert sample.crowd.tolist() == [False, True]
    assert sample.box_classes == (2, 3)


def test_stated_classes(root):
    write_index(root, [{"bbox": [1, 2, 10, 20]}])
    sample = read_coco(
        root, WAREHOUSE, box_classes=("forklift", "person"), mask_classes=("rail",)
    ).samples[0]
    assert (sample.box_classes, sample.mask_classes) == ((2, 3), (1,))


def test_a_category_renamed_to_the_background_is_left_out(root):
    write_index(root, [{"bbox": [1, 2, 10, 20]}, {"bbox": [1, 2, 3, 4], "category_id": 9}])
    rename = {"person": "background", "truck": "forklift"}
    assert read_coco(root, WAREHOUSE, rename=rename).samples[0].class_ids.tolist() == [3]


def test_unknown_classes_beside_known_ones_are_faults_until_renamed(root):
    categories = [
        *CATEGORIES,
        {"id": 0, "name": "everything"},
    ]  # without annotations, as some tools write
    write_index(
        root,
        [
            {"bbox": [1, 2, 10, 20]},
            {"bbox": [1, 2, 3, 4], "category_id": 9},
            {"bbox": [1, 2, 3, 4], "category_id": 11},
        ],
        categories=categories,
    )
    with pytest.raises(DatasetError) as caught:
        read_coco(root, WAREHOUSE, box_classes=("person",))
    assert "1 error(s)" in str(caught.value)
    assert "got 'truck', 'dog' too; rename each" in str(caught.value)
    assert "rename: {truck: background, dog: background}" in str(caught.value)
    renamed = read_coco(root, WAREHOUSE, rename={"truck": "forklift", "dog": "background"})
    assert renamed.samples[0].class_ids.tolist() == [2, 3]


def test_mask_files(root, write_mask):
    mask = np.zeros((40, 60), np.uint8)
    mask[3:9, 5:20], mask[0] = 2, 255
    write_mask(root / "masks" / "a.png", mask)
    write_index(root, [{"bbox": [5, 3, 15, 6], "segmentation": [POLYGON]}])
    sample = read_coco(root, WAREHOUSE).samples[0]
    assert sample.mask_classes == (2,)
    np.testing.assert_array_equal(sample_mask(sample), mask)


def test_polygons_as_pycocotools_renders_them(root):
    write_index(root, [{"bbox": [10, 5, 21, 20], "segmentation": [POLYGON]}])
    sample = read_coco(root, WAREHOUSE).samples[0]
    expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([POLYGON], 40, 60)))
    np.testing.assert_array_equal(sample_mask(sample), expected * 2)
    assert sample.mask_classes == (2,)


@pytest.mark.parametrize("packed", [True, False])
def test_run_lengths_as_pycocotools_decodes_them(root, packed):
    truth = (np.random.default_rng(3).random((40, 60)) > 0.7).astype(np.uint8)
    run_lengths = coco_mask.encode(np.asfortranarray(truth))
    if packed:
        segmentation = {"size": [40, 60], "counts": run_lengths["counts"].decode()}
    else:
        flat = np.concatenate([[0], truth.ravel(order="F"), [1 - truth[-1, -1]]])
        edges = np.flatnonzero(np.diff(flat))
        segmentation = {"size": [40, 60], "counts": np.diff(np.concatenate([[0], edges])).tolist()}
    write_index(root, [{"bbox": [0, 0, 60, 40], "segmentation": segmentation}])
    np.testing.assert_array_equal(sample_mask(read_coco(root, WAREHOUSE).samples[0]), truth * 2)


def test_small_objects_lie_above_large_ones_and_ignored_pixels_below(root):
    def square(x, y, side):
        return {
            "bbox": [x, y, side, side],
            "segmentation": [[x, y, x + side, y, x + side, y + side, x, y + side]],
        }

    write_index(
        root,
        [
            {**square(12, 12, 5), "category_id": 9},
            square(10, 10, 20),
            {"bbox": [5, 5, 10, 10]},
            {**square(40, 20, 10), "iscrowd": 1},
        ],
    )
    mask = sample_mask(read_coco(root, WAREHOUSE, rename={"truck": "forklift"}).samples[0])
    assert mask[14, 14] == 3
    assert mask[25, 25] == 2
    assert mask[6, 6] == 255, "a box without an outline"
    assert mask[25, 45] == 255, "the outline of a crowd"
    assert mask[1, 1] == 0


def test_outlines_elsewhere_make_an_image_without_objects_background(root, write_image):
    write_image(root / "images" / "b.png")
    images = [IMAGE, {**IMAGE, "id": 2, "file_name": "b.png"}]
    write_index(root, [{"bbox": [10, 5, 21, 20], "segmentation": [POLYGON]}], images)
    assert not sample_mask(read_coco(root, WAREHOUSE).samples[1]).any()


def test_every_fault_at_once(root, write_image, write_mask):
    write_image(root / "images" / "small.png", (10, 10))
    (root / "images" / "broken.jpg").write_bytes(b"no image")
    names = ("gone.png", "small.png", "broken.jpg")
    images = [
        IMAGE,
        *({**IMAGE, "id": 2 + i, "file_name": name} for i, name in enumerate(names)),
        {"id": 9},
    ]
    write_mask(root / "masks" / "a.png", 17, (40, 61))
    write_index(
        root,
        [
            {"bbox": [50, 5, 20, 10]},
            {"bbox": [5, 5, 0, 10]},
            {"bbox": [-1.4, 5, 1, 10]},
            {"bbox": [5, 5]},
            {"bbox": [5, 5, 5, 5], "image_id": 77},
            {"bbox": [5, 5, 5, 5], "category_id": 77},
        ],
        images,
    )
    with pytest.raises(DatasetError) as caught:
        read_coco(root, WAREHOUSE, rename={"truck": "fork"}, box_classes=("persn",))
    text = str(caught.value)
    for part in (
        "images/a.png: box [50.0, 5.0, 70.0, 15.0] lies outside the image of 60x40 pixels",
        "images/a.png: box [5.0, 5.0, 5.0, 15.0] has no area",
        "box [-1.4, 5.0, -0.4, 15.0] lies outside",
        "annotation 3: expected bbox [x, y, width, height], got [5, 5]",
        "annotation 4: image id 77 is not listed",
        "annotation 5: category 77 is not listed",
        "images/gone.png: no such image file",
        "images/small.png: expected 60x40 pixels as annotated, got an image of 10x10 pixels",
        "images/broken.jpg: not an image",
        "annotations.json: images[4] (id 9): expected a valid file_name, width, height",
        "masks/a.png: expected a mask of 60x40 pixels as its image, got 61x40 pixels",
        "masks/a.png: expected mask values below 4 or 255, got [17]",
        "rename 'truck': expected a class of background, rail, person, forklift, got 'fork'",
        "box_classes: expected classes of rail, person, forklift, got 'persn'",
    ):
        assert part in text
    assert "14 error(s)" in text


@pytest.mark.parametrize(
    "segmentation",
    [
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        ["abc"],
        "abc",
        {"size": [3, 3], "counts": [9]},
        {"size": [40, 60], "counts": [9]},
        {"size": [40, 60]},
        {"size": [40, 60], "counts": 5},
        {"size": [40, 60], "counts": ""},
        {"size": [40, 60], "counts": "zzzz"},
        {"size": [40, 60], "counts": "ooé" * 50},
        [[1, 2, 1e9, 4, 5, 6]],
        [[1, 2, float("nan"), 4, 5, 6]],
    ],
)
def test_bad_outlines(root, segmentation):
    write_index(root, [{"bbox": [1, 2, 10, 20], "segmentation": segmentation}])
    with pytest.raises(DatasetError, match=r"images/a.png: outline of box .*: Expected"):
        read_coco(root, WAREHOUSE)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Person ", r"class 'Person ': expected 'person'; rename it \(--rename 'Person '=person\)"),
        ("dog", "expected objects of rail, person, forklift, got .dog. too"),
    ],
)
def test_classes_that_match_nothing(root, name, text):
    write_index(root, [{"bbox": [1, 2, 10, 20]}], categories=[{"id": 7, "name": name}])
    with pytest.raises(DatasetError, match=text):
        read_coco(root, WAREHOUSE)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"images": []}'])
def test_unreadable_index(tmp_path, content):
    (tmp_path / "annotations.json").write_text(content)
    with pytest.raises(DatasetError, match=r"annotations\.json: expected"):
        read_coco(tmp_path, WAREHOUSE)


def test_palette_masks_are_refused_with_a_hint(root, write_image):
    write_image(root / "masks" / "a.png")
    write_index(root)
    with pytest.raises(DatasetError, match="palette"):
        read_coco(root, WAREHOUSE)


def test_real_people(real_data):
    dataset = read_coco(real_data / "coco_person", WAREHOUSE)
    assert len(dataset) == 128
    assert sum(len(sample.class_ids) for sample in dataset.samples) == 254
    masks = [mask for mask in map(sample_mask, dataset.samples) if mask is not None]
    assert len(masks) == 100
    assert {int(value) for mask in masks for value in np.unique(mask)} == {0, 2, 255}
    assert dataset.samples[0].box_classes == dataset.samples[0].mask_classes == (2,)


@pytest.mark.parametrize(
    ("item", "fault"),
    [
        (
            {"id": 5, "image_id": 1, "bbox": []},
            "annotations[1] (id 5): expected a valid category_id",
        ),
        ({"image_id": 1, "category_id": 7}, "annotations[1]: expected a valid bbox"),
        ("x", "annotations[1]: expected a valid image_id, category_id, bbox"),
    ],
)
def test_an_item_that_lacks_a_field_is_named(root, item, fault):
    write_index(root, [{"bbox": [1, 2, 10, 20]}])
    index = json.loads((root / "annotations.json").read_text())
    index["annotations"].append(item)
    (root / "annotations.json").write_text(json.dumps(index))
    with pytest.raises(DatasetError) as caught:
        read_coco(root, WAREHOUSE)
    assert fault in str(caught.value)


@pytest.mark.parametrize("name", ["b.jpg", "b.png", "b.webp"])
def test_truncated_images_and_masks_are_faults(root, write_image, write_mask, name):
    texture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    paths = [
        write_image(root / "images" / name, texture),
        write_mask(root / "masks" / "a.png", texture[..., 0] % 3),
    ]
    write_index(root, images=[IMAGE, {**IMAGE, "id": 2, "file_name": name}])
    assert len(read_coco(root, WAREHOUSE)) == 2
    for path in paths:
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError) as caught:
        read_coco(root, WAREHOUSE)
    assert f"images/{name}: truncated" in str(caught.value)
    assert "masks/a.png: truncated, the end of the mask is missing" in str(caught.value)


@pytest.mark.parametrize(
    ("crowds", "objects", "told"), [(0, 3, 0), (1, 3, 0), (2, 3, 1), (3, 3, 1), (1, 2, 0)]
)
def test_a_class_of_crowds_is_told(root, crowds, objects, told):
    write_index(root, [{"bbox": [n, 2, 9, 9], "iscrowd": int(n < crowds)} for n in range(objects)])
    notes = [note for note in read_coco(root, WAREHOUSE).notes if "crowds" in note]
    assert len(notes) == told
    assert all(note.startswith(f"{crowds} of {objects} objects of person") for note in notes)


@pytest.mark.parametrize("key", ["annotations", "objects", "bboxes"])
def test_objects_inside_an_image_are_refused(root, key):
    write_index(root, images=({**IMAGE, key: [{"bbox": [1, 2, 10, 20], "category_id": 1}]},))
    with pytest.raises(DatasetError, match=f"beside 'images', each with image_id, found '{key}'"):
        read_coco(root, WAREHOUSE)
