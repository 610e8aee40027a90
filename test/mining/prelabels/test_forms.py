"""Every form of labels holds what the model said, by this project's readers or the form's rules."""

import json
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from mtv_perception.cli.main import main
from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.data.sample import sample_mask
from mtv_perception.mining.prelabels.base import objects_of, pre_label
from mtv_perception.mining.prelabels.folder import PreLabelFolder
from mtv_perception.mining.prelabels.label_studio import pack_runs
from mtv_perception.runtime.artefact import ModelSpec, Trained
from mtv_perception.types import Detections, Result, Segmentation

NAMES = ("background", "agv", "worker & co", "truck")
SPECS = {
    "all": Trained(),
    "one masked": Trained(masks=("truck",)),
    "one boxed": Trained(boxes=("agv", "truck"), masks=("agv", "worker & co")),
    "no masks": Trained(masks=()),
    "no boxes": Trained(boxes=()),
}


def spec_of(name):
    return replace(ModelSpec("floor", classes=NAMES), trained=SPECS[name])


def scene(seed, spec):
    """An image and a result as a model with this spec gives it: boxes with blobs inside."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(60, 140, 2))
    mask, rows = np.zeros((height, width), np.uint8), []
    for _ in range(int(rng.integers(0, 6))):
        class_id = int(rng.integers(1, len(NAMES)))
        x0, y0 = rng.uniform(0, width - 30), rng.uniform(0, height - 30)
        x1, y1 = x0 + rng.uniform(8, 30), y0 + rng.uniform(8, 30)
        centre = round((x0 + x1) / 2), round((y0 + y1) / 2)
        if NAMES[class_id] in spec.mask_classes:
            cv2.ellipse(
                mask, centre, (int(x1 - x0) // 2, int(y1 - y0) // 3), 0, 0, 360, class_id, -1
            )
        if NAMES[class_id] in spec.box_classes:
            rows.append((class_id, rng.uniform(0.4, 1), (x0, y0, x1, y1)))
    rows.sort(key=lambda row: -row[1])
    if not spec.mask_classes:
        mask[:] = 255
    found = Detections(
        np.array([row[2] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[0] for row in rows], np.int32),
    )
    image = rng.integers(0, 255, (height, width, 3), np.uint8)
    return image, Result(found, Segmentation(mask, np.full_like(mask, 200)), (height, width))


SEEDS = range(8)


@pytest.fixture(params=SPECS)
def written(request, tmp_path):
    """A folder with eight images, the spec, and the results by the image's name."""
    spec, results = spec_of(request.param), {}
    with PreLabelFolder(tmp_path / "mined", spec) as folder:
        for seed in SEEDS:
            image, results[f"frame é{seed}"] = scene(seed, spec)
            folder.add(f"frame é{seed}", image, results[f"frame é{seed}"])
    return tmp_path / "mined", spec, results


def by_class(boxes, class_ids):
    """Boxes in an order that any form can be compared in."""
    rows = [(int(c), *map(float, box)) for c, box in zip(class_ids, boxes, strict=True)]
    return np.array(sorted(rows)).reshape(-1, 5)


READ = {"coco": "", "yolo": "", "cvat": "cvat.xml", "coco outlines": "coco_outlines.json"}


@pytest.mark.parametrize("form", READ)
def test_readers_give_back_the_detections(written, form):
    folder, spec, results = written
    options = ReadOptions(spec.labels, box_classes=spec.box_classes, mask_255="ignore")
    dataset = read_dataset(folder / READ[form], options, form.split()[0])

    assert sorted(s.image_path.stem for s in dataset.samples) == sorted(results)
    boxed = [spec.labels.id_of(name) for name in spec.box_classes]
    for sample in dataset.samples:
        found = results[sample.image_path.stem]
        keep = np.isin(sample.class_ids, boxed)  # others are regions without a box of the model
        read = by_class(sample.boxes_xyxy[keep], sample.class_ids[keep])
        said = by_class(found.detections.boxes_xyxy, found.detections.class_ids)
        assert sample.size_hw == found.size_hw
        assert read.shape == said.shape
        assert np.allclose(read, said, atol=0.002)


@pytest.mark.parametrize("form", ["coco", "yolo"])
def test_masks_are_the_models(written, form):
    folder, spec, results = written
    options = ReadOptions(spec.labels, mask_255="ignore")
    for sample in read_dataset(folder, options, form).samples:
        mask, said = sample_mask(sample), results[sample.image_path.stem].segmentation.class_ids
        assert (mask is None) == (not spec.mask_classes)
        assert mask is None or (mask == said).all()


def test_outlines_of_cvat_are_the_models_pixels_in_the_boxes(written):
    folder, spec, results = written
    options = ReadOptions(spec.labels)
    for sample in read_dataset(folder / "cvat.xml", options, "cvat").samples:
        result = results[sample.image_path.stem]
        said = result.segmentation.class_ids
        mask = sample_mask(sample)
        if mask is None:
            continue
        shown = (mask != 0) & (mask != 255)
        assert (mask[shown] == said[shown]).all()
        for name in spec.mask_classes:
            class_id = spec.labels.id_of(name)
            own = result.detections.class_ids == class_id
            inside = np.zeros(said.shape, bool)
            for x0, y0, x1, y1 in result.detections.boxes_xyxy[own]:
                inside[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
            if name in spec.box_classes:
                assert (mask[inside & (said == class_id)] == class_id).all()


def unpacked(values):
    """A brush `(N,)` by the rules of Label Studio's own reader: the bit stream of rle-pack."""
    bits = "".join(f"{value:08b}" for value in values)
    at = 0

    def take(count):
        nonlocal at
        at += count
        return int(bits[at - count : at], 2)

    count, word = take(32), take(5) + 1
    widths = [take(4) + 1 for _ in range(4)]
    out = []
    while len(out) < count:
        is_run = take(1)
        length = 1 + take(widths[take(2)])
        out += [take(word)] * length if is_run else [take(word) for _ in range(length)]
    return np.array(out)


def test_label_studio_tasks_hold_rectangles_and_brushes(written):
    folder, spec, results = written
    tasks = json.loads((folder / "label_studio.json").read_text(encoding="utf-8"))
    assert len(tasks) == len(results)
    for task in tasks:
        (served,) = parse_qs(urlsplit(task["data"]["image"]).query)["d"]
        assert (folder / served).is_file()
        result = results[served.removeprefix("images/").removesuffix(".jpg")]
        height, width = result.size_hw
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == spec.model_id
        boxes, class_ids, brushes = [], [], {}
        for item in prediction["result"]:
            value = item["value"]
            assert (item["original_width"], item["original_height"]) == (width, height)
            if item["type"] == "rectanglelabels":
                x, y = value["x"] * width / 100, value["y"] * height / 100
                w, h = value["width"] * width / 100, value["height"] * height / 100
                boxes.append((x, y, x + w, y + h))
                class_ids.append(spec.labels.id_of(value["rectanglelabels"][0]))
            else:
                pixels = unpacked(value["rle"]).reshape(height, width, 4)
                brushes[value["brushlabels"][0]] = pixels
        said = by_class(result.detections.boxes_xyxy, result.detections.class_ids)
        assert np.allclose(by_class(boxes, class_ids), said, atol=0.001)
        for name in spec.labels.foreground:
            drawn = result.segmentation.class_ids == spec.labels.id_of(name)
            assert (name in brushes) == bool(drawn.any() and name in spec.mask_classes)
            if name in brushes:
                assert (brushes[name] == np.where(drawn, 255, 0)[..., None]).all()
        ids = [item["id"] for item in prediction["result"]]
        assert len(ids) == len(set(ids))


def test_the_interface_offers_the_classes_of_the_model(written):
    folder, spec, _ = written
    view = ElementTree.parse(folder / "label_studio.xml").getroot()
    for tag, classes in (("RectangleLabels", spec.box_classes), ("BrushLabels", spec.mask_classes)):
        assert tuple(label.get("value") for label in view.iterfind(f"{tag}/Label")) == classes


def test_the_folder_is_read_by_stats(written):
    folder, spec, _ = written
    names = ",".join(spec.labels.foreground)

    assert main(["stats", str(folder), "--names", names, "--mask-255", "ignore"]) == 0


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((3, 5), bool),
        np.ones((3, 5), bool),
        np.eye(9, dtype=bool),
        np.arange(300 * 400).reshape(300, 400) > 70_000,  # runs longer than 16 bits hold
    ],
)
def test_brushes_of_any_run_length_are_packed(pixels):
    expected = np.repeat(np.where(pixels.ravel(), 255, 0), 4)

    assert (unpacked(pack_runs(pixels)) == expected).all()


def test_brushes_are_those_of_label_studio():
    """Bytes of `label_studio_sdk.converter.brush.mask2rle` 2.1.2 for this mask."""
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True

    theirs = [0, 0, 0, 96, 57, 27, 254, 31, 0, 183, 255, 108, 2, 223, 254, 27, 0, 0]

    assert unpacked(theirs).tolist() == unpacked(pack_runs(mask)).tolist()


def test_classes_that_the_model_was_not_trained_for_are_nowhere(tmp_path):
    """Even where a result holds some."""
    spec = replace(ModelSpec("m"), trained=Trained(boxes=("forklift",), masks=()))
    _, result = scene(3, replace(ModelSpec("m"), classes=NAMES))
    image = np.zeros((*result.size_hw, 3), np.uint8)
    with PreLabelFolder(tmp_path / "mined", spec) as folder:
        folder.add("a", image, result)

    assert not (tmp_path / "mined" / "masks").exists()
    index = json.loads((tmp_path / "mined" / "annotations.json").read_text())
    assert {item["category_id"] for item in index["annotations"]} <= {3}
    xml = ElementTree.parse(tmp_path / "mined" / "cvat.xml").getroot()
    assert {shape.get("label") for shape in xml.iterfind("image/*")} <= {"forklift"}


def test_of_overlapping_boxes_the_smaller_has_the_pixels():
    spec = ModelSpec("m", classes=("background", "person"))
    mask = np.ones((20, 20), np.uint8)
    boxes = np.array([[0, 0, 20, 20], [5, 5, 10, 10]], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8], np.float32), np.ones(2, np.int32))
    result = Result(found, Segmentation(mask, mask), (20, 20))
    large, small = objects_of(pre_label("a.jpg", result, spec), spec)

    assert (large.pixels.sum(), small.pixels.sum()) == (375, 25)


def test_what_hides_people_sees_every_image_first(tmp_path):
    spec, seen = spec_of("all"), []

    def hide(image, result):
        seen.append(result)
        return np.full_like(image, 7)

    with PreLabelFolder(tmp_path / "mined", spec, hide) as folder:
        for seed in SEEDS:
            _, shown = folder.add(f"f{seed}", *scene(seed, spec))
            assert (shown == 7).all()

    images = [cv2.imread(str(path)) for path in (tmp_path / "mined" / "images").iterdir()]
    assert len(seen) == len(images) == len(SEEDS)
    assert all(abs(image.astype(int) - 7).max() <= 2 for image in images)
