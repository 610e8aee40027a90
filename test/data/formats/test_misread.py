"""Labels that could be taken for other ones: read right, or named; never read wrong in silence."""

import json
import logging
import struct

import cv2
import numpy as np
import pytest

from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import DatasetConfig, open_dataset, read_dataset
from mtv_perception.data.sample import sample_image, sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE

IMAGE = {"id": 1, "file_name": "a.png", "width": 60, "height": 40}
PERSON = {"id": 1, "name": "person"}
BOX = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 30], "iscrowd": 0}


def read(root, **options):
    return read_dataset(root, ReadOptions(WAREHOUSE, **options))


def flat(points):
    return [value for point in points for value in point]


def faults_of(root, **options):
    with pytest.raises(DatasetError) as caught:
        read(root, **options)
    return str(caught.value)


@pytest.fixture
def coco(tmp_path, write_image):
    """Write COCO annotations of one image; keywords replace or add values of the single items."""

    def write(image=None, annotation=None, category=None, encoding="utf-8", **lists):
        write_image(tmp_path / "images" / "a.png")
        index = {
            "images": [{**IMAGE, **(image or {})}],
            "annotations": [{**BOX, **(annotation or {})}],
            "categories": [{**PERSON, **(category or {})}],
            **lists,
        }
        (tmp_path / "annotations.json").write_bytes(json.dumps(index).encode(encoding))
        return tmp_path

    return write


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_json_with_a_byte_order_mark(coco, encoding):
    assert len(read(coco(encoding=encoding)).samples[0].class_ids) == 1


@pytest.mark.parametrize(
    ("value", "crowd"),
    [
        (0, False),
        (1, True),
        ("0", False),
        ("1", True),
        (False, False),
        (True, True),
        (1.0, True),
        ("true", True),
        ("False", False),
        (None, False),
    ],
)
@pytest.mark.parametrize("key", ["iscrowd", "ignore"])
def test_iscrowd_of_another_type(coco, key, value, crowd):
    assert read(coco(annotation={key: value})).samples[0].crowd.tolist() == [crowd]


@pytest.mark.parametrize("value", ["no", 2, -1, [], {}, "", float("nan")])
def test_iscrowd_that_says_nothing(coco, value):
    assert "valid iscrowd" in faults_of(coco(annotation={"iscrowd": value}))


@pytest.mark.parametrize("key", ["width", "height"])
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 0, -60, 59.5, "60", None, True, 1e400]
)
def test_a_size_that_is_none(coco, key, value):
    text = faults_of(coco(image={key: value}))
    assert f"images[0] (id 1): expected a valid {key}" in text


@pytest.mark.parametrize("value", [1, 1.0])
def test_ids_as_floats(coco, value):
    root = coco(annotation={"category_id": value, "image_id": value})
    assert read(root).samples[0].class_ids.tolist() == [2]


@pytest.mark.parametrize("value", [1.5, float("nan"), float("inf"), None, True, [1]])
def test_ids_that_are_none_are_shown(coco, value):
    text = faults_of(coco(annotation={"category_id": value}))
    assert "annotations[0] (id 1): expected a valid category_id, got" in text


@pytest.mark.parametrize("name", [-9223372036854775808, None, "", "  ", 3, ["person"]])
def test_category_names_that_are_none(coco, name):
    assert "valid name" in faults_of(coco(category={"name": name}))


@pytest.mark.parametrize(
    "bbox",
    [
        [5, 5, -4, 10],
        [5, 5, 0, 10],
        [70, 5, 5, 5],
        [-20, 5, 10, 10],
        [5, 5, 90, 10],
        [float("nan"), 5, 5, 5],
        [5, 5, 5],
        ["5", 5, 5, 5],
        [5, 5, 10**400, 5],
        [True, 5, 5, 5],
    ],
)
def test_boxes_that_are_none_or_outside(coco, bbox):
    text = faults_of(coco(annotation={"bbox": bbox}))
    assert "expected bbox" in text or "no area" in text or "lies outside" in text


@pytest.mark.parametrize(
    "bbox", [[0.1, 0.1, 0.3, 0.5], [0, 0, 1, 1], [0.123457, 0.1, 0.876544, 0.2]]
)
def test_boxes_in_fractions_of_the_image(coco, bbox):
    assert "look like fractions" in faults_of(coco(annotation={"bbox": bbox}))


def test_one_tiny_box_among_others_is_no_fraction(coco):
    tiny = {**BOX, "id": 2, "bbox": [0, 0, 1, 1]}
    assert len(read(coco(annotations=[BOX, tiny])).samples[0].class_ids) == 2


def test_a_file_listed_twice(coco):
    images = [IMAGE, {**IMAGE, "id": 2}]
    assert "images/a.png: listed 2 times" in faults_of(coco(images=images))


@pytest.mark.parametrize("name", ["x" * 5000 + ".png", "../../../etc/hostname", "/etc/hostname"])
@pytest.mark.parametrize("end", ["", "/", "/./"])
def test_names_of_no_file(coco, name, end):
    text = faults_of(coco(image={"file_name": name + end}))
    assert "no such image file" in text and len(text) < 1000


@pytest.mark.parametrize("name", ["a\0.png", "\ud800.png", "", ".", "a/..", "/", 7, None])
def test_names_that_are_no_text(coco, name):
    assert "valid file_name" in faults_of(coco(image={"file_name": name}))


@pytest.mark.parametrize("name", ["..\\..\\upload\\a.png", "/data/upload/7/a.png", "C:\\x\\a.png"])
def test_paths_of_another_machine_are_found_by_name(coco, name):
    assert read(coco(image={"file_name": name})).samples[0].image_path.name == "a.png"


def test_a_deeply_nested_file(coco):
    root = coco()
    (root / "annotations.json").write_text("[" * 100_000)
    assert "annotations.json" in faults_of(root)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"bbox": [', '"bbox": [0, 0, 1, 1], "bbox": ['),
        ('"images": [', '"images": [], "images": ['),
    ],
)
def test_a_key_with_two_values(coco, old, new):
    root = coco()
    index = root / "annotations.json"
    index.write_text(index.read_text().replace(old, new))
    key = old.partition(":")[0].strip('"')
    assert f"annotations.json: expected JSON, could not read it: the key '{key}'" in faults_of(root)


def test_a_key_twice_with_one_value(coco):
    root = coco()
    index = root / "annotations.json"
    index.write_text(index.read_text().replace('"iscrowd": 0', '"iscrowd": 0, "iscrowd": 0'))
    assert len(read(root).samples[0].class_ids) == 1


def test_a_number_of_too_many_digits(coco):
    root = coco()
    index = root / "annotations.json"
    index.write_text(index.read_text().replace('"width": 60', f'"width": {"9" * 5000}'))
    text = faults_of(root)
    assert "numbers of at most 4000 digits, got 5000" in text and "sys.set" not in text


def test_one_name_in_two_folders(coco, write_image):
    root = coco()
    write_image(root / "a.png", (40, 60))
    assert "stands in more than one folder" in faults_of(root)


def test_masks_by_name_across_folders(coco, write_image, write_mask):
    images = [{**IMAGE, "file_name": "x/a.png"}, {**IMAGE, "id": 2, "file_name": "y/a.png"}]
    root = coco(images=images)
    for folder in ("x", "y"):
        write_image(root / "images" / folder / "a.png")
    write_mask(root / "masks" / "a.png", 1)
    assert "masks/a.png: fits 2 images" in faults_of(root)
    (root / "masks" / "a.png").unlink()
    write_mask(root / "masks" / "x" / "a.png", 1)
    write_mask(root / "masks" / "y" / "a.png", 3)
    assert [int(sample_mask(sample).max()) for sample in read(root).samples] == [1, 3]


def test_masks_that_belong_to_no_image(coco, write_mask, caplog):
    root = coco()
    write_mask(root / "masks" / "a_mask.png", 1)
    assert "masks belong to no image, such as a_mask.png" in faults_of(root)
    write_mask(root / "masks" / "a.png", 1)
    with caplog.at_level(logging.WARNING):
        open_dataset(DatasetConfig(root), WAREHOUSE)
    assert "a_mask.png" in caplog.text


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [40, 60], "counts": [40 * 60]},
        [[5.2, 5.2, 5.3, 5.2, 5.3, 5.3]],
        [[5, 9, 25, 9, 5, 9]],
    ],
    ids=["no run", "less than a pixel", "a line"],
)
def test_an_outline_without_pixels_makes_no_background_of_its_box(coco, segmentation):
    outlined = {**BOX, "id": 2, "bbox": [30, 10, 20, 20], "segmentation": [flat(OUTLINE)]}
    root = coco(annotations=[{**BOX, "segmentation": segmentation}, outlined])
    mask = sample_mask(read(root).samples[0])
    assert mask[20, 10] == 255 and mask[20, 40] == 2 and mask[2, 2] == 0
    alone = coco(annotations=[{**BOX, "segmentation": segmentation}])
    assert sample_mask(read(alone).samples[0]) is None


def test_an_outline_that_lies_elsewhere_than_its_box(coco):
    text = faults_of(coco(annotation={"segmentation": [flat(OUTLINE)]}))
    assert "outline of box [5.0, 5.0, 25.0, 35.0]: It lies elsewhere, in [30.0, 10.0" in text


# Of image a an outlined rail and a boxed person, of b a boxed person alone, of c nothing, of d an
# outlined pallet.
OUTLINE = [[30.0, 10.0], [50.0, 10.0], [50.0, 30.0], [30.0, 30.0]]
PARTLY_OUTLINED = {"a": ("rail", "person"), "b": ("person",), "c": (), "d": ("pallet",)}


def partly_outlined_coco(root):
    numbers = {"rail": 1, "person": 2, "pallet": 3}
    images = [{**IMAGE, "id": name, "file_name": f"{name}.png"} for name in PARTLY_OUTLINED]
    annotations = []
    for name, things in PARTLY_OUTLINED.items():
        for thing in things:
            item = {"image_id": name, "category_id": numbers[thing], "bbox": [5, 5, 20, 30]}
            if thing != "person":
                item |= {
                    "bbox": [30, 10, 20, 20],
                    "segmentation": [flat(OUTLINE)],
                }
            annotations.append(item)
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    index = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations.json").write_text(json.dumps(index))


def partly_outlined_yolo(root):
    (root / "labels").mkdir()
    (root / "data.yaml").write_text("names: [rail, person, pallet]")
    corners = " ".join(f"{x / 60} {y / 40}" for x, y in OUTLINE)
    lines = {"rail": f"0 {corners}\n", "person": "1 .25 .5 .3 .7\n", "pallet": f"2 {corners}\n"}
    for name, things in PARTLY_OUTLINED.items():
        (root / "labels" / f"{name}.txt").write_text("".join(lines[thing] for thing in things))


def partly_outlined_cvat(root):
    points = ";".join(f"{x},{y}" for x, y in OUTLINE)
    shapes = {
        "rail": f'<polygon label="rail" points="{points}"/>',
        "person": '<box label="person" xtl="5" ytl="5" xbr="25" ybr="35"/>',
        "pallet": f'<polygon label="pallet" points="{points}"/>',
    }
    images = (
        f'<image name="{name}.png" width="60" height="40">'
        + "".join(shapes[thing] for thing in things)
        + "</image>"
        for name, things in PARTLY_OUTLINED.items()
    )
    (root / "annotations.xml").write_text(f"<annotations>{''.join(images)}</annotations>")


def partly_outlined_labelme(root):
    for name, things in PARTLY_OUTLINED.items():
        (root / "images" / f"{name}.png").rename(root / f"{name}.png")
        shapes = [
            {"label": thing, "points": OUTLINE, "shape_type": "polygon"}
            if thing != "person"
            else {"label": thing, "points": [[5, 5], [25, 35]], "shape_type": "rectangle"}
            for thing in things
        ]
        content = {"shapes": shapes, "imageHeight": 40, "imageWidth": 60}
        (root / f"{name}.json").write_text(json.dumps(content))


def partly_outlined_supervisely(root):
    (root / "images").rename(root / "img")
    (root / "ann").mkdir()
    for name, things in PARTLY_OUTLINED.items():
        objects = [
            {"classTitle": thing, "geometryType": "polygon", "points": {"exterior": OUTLINE}}
            if thing != "person"
            else {
                "classTitle": thing,
                "geometryType": "rectangle",
                "points": {"exterior": [[5, 5], [25, 35]]},
            }
            for thing in things
        ]
        content = {"size": {"height": 40, "width": 60}, "objects": objects}
        (root / "ann" / f"{name}.png.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    "write",
    [
        partly_outlined_coco,
        partly_outlined_yolo,
        partly_outlined_cvat,
        partly_outlined_labelme,
        partly_outlined_supervisely,
    ],
)
def test_pixels_of_an_image_without_outline_are_unlabelled(tmp_path, write_image, write):
    """As background they would teach that there is no rail, where nobody outlined any."""
    for name in PARTLY_OUTLINED:
        write_image(tmp_path / "images" / f"{name}.png")
    write(tmp_path)
    dataset = read(tmp_path, rename={"pallet": "background"})
    masks = {sample.image_path.stem: sample_mask(sample) for sample in dataset.samples}
    assert masks["a"][20, 40] == 1 and masks["a"][20, 10] == 255 and masks["a"][2, 2] == 0
    assert masks["b"] is masks["c"] is masks["d"] is None
    assert any("3 of 4 images have no outline and no mask" in note for note in dataset.notes)


@pytest.mark.parametrize("bare", [False, True])
def test_an_image_without_objects_is_background_where_all_objects_are_outlined(
    coco, write_image, bare
):
    outlined = {**BOX, "bbox": [30, 10, 20, 20], "segmentation": [flat(OUTLINE)]}
    images = [{**IMAGE, "id": name, "file_name": f"{name}.png"} for name in "ab"]
    objects = [{**outlined, "image_id": "a"}, *([{**BOX, "id": 2, "image_id": "a"}] * bare)]
    root = coco(images=images, annotations=objects)
    for name in "ab":
        write_image(root / "images" / f"{name}.png")
    mask = sample_mask(read(root).samples[1])
    assert mask is None if bare else not mask.any()


def write_bits(path, values, bits, palette=None):
    """A PNG of few bits a pixel, written by hand: Pillow writes grey with 1 or 8 bits only."""
    import zlib

    height, width = values.shape
    rows = []
    for row in values:
        padded = np.pad(row, (0, -width % (8 // bits))).reshape(-1, 8 // bits)
        shifts = np.arange(8 // bits)[::-1] * bits
        rows.append(b"\0" + (padded << shifts).sum(1).astype(np.uint8).tobytes())

    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    colour = 0 if palette is None else 3
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))]
    parts += [] if palette is None else [chunk(b"PLTE", bytes(palette))]
    parts += [chunk(b"IDAT", zlib.compress(b"".join(rows))), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("palette", [None, [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_masks_of_few_bits(tmp_path, write_image, bits, palette):
    write_image(tmp_path / "images" / "a.png", (40, 61))
    (tmp_path / "masks").mkdir()
    values = np.arange(40 * 61).reshape(40, 61) % min(4, 2**bits)
    write_bits(tmp_path / "masks" / "a.png", values, bits, palette and palette[: 3 * 2**bits])
    (sample,) = read(tmp_path).samples
    np.testing.assert_array_equal(sample_mask(sample), values)


@pytest.mark.parametrize(
    "mask",
    [np.dstack([np.full((40, 60), 2, np.uint8)] * 3), np.full((40, 60), 2, np.uint16)],
    ids=["grey as RGB", "16 bits"],
)
def test_masks_of_more_bits_or_channels(tmp_path, write_image, write_mask, mask):
    write_image(tmp_path / "images" / "a.png")
    write_mask(tmp_path / "masks" / "a.png", mask)
    assert (sample_mask(read(tmp_path).samples[0]) == 2).all()


def test_masks_of_background_alone(coco, write_mask):
    root = coco()
    write_mask(root / "masks" / "a.png", 0)
    noted = "masks hold background alone"
    assert any(noted in note for note in read(root).notes)
    assert any(noted in note for note in read(root, mask_classes=("person",)).notes)
    assert not any(noted in note for note in read(root, mask_classes=("rail",)).notes)


def test_masks_of_0_and_255(tmp_path, write_image, write_mask):
    write_image(tmp_path / "images" / "a.png")
    mask = np.zeros((40, 60), np.uint8)
    mask[:, :30] = 255
    write_mask(tmp_path / "masks" / "a.png", mask)
    assert "no values but 0 and 255" in faults_of(tmp_path)
    assert "mask_255: expected one of ignore, background" in faults_of(tmp_path, mask_255="rial")
    (sample,) = read(tmp_path, mask_255="rail").samples
    assert (sample_mask(sample)[:, :30] == 1).all() and sample.mask_classes == (1,)
    assert read(tmp_path, mask_255="ignore").samples[0].mask_classes == ()


@pytest.mark.parametrize("quality", [50, 100])
def test_a_mask_that_was_stored_with_losses(tmp_path, write_image, quality):
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    coded = cv2.imencode(".jpg", np.full((40, 60), 2, np.uint8), options)[1].tobytes()
    (tmp_path / "masks" / "a.png").write_bytes(coded)
    assert "masks/a.png: expected a mask as PNG, got a JPEG" in faults_of(tmp_path)


@pytest.mark.parametrize("head", ["P2 60 40 3", "P5 60 40 3", "P1 60 40"])
def test_a_mask_that_is_a_pnm_of_few_values(tmp_path, write_image, head):
    """OpenCV makes 255, which means ignore, of the largest value, and of 0 in a bitmap."""
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    text = f"{head}\n{'1 ' * 2400}"
    (tmp_path / "masks" / "a.png").write_bytes(
        text.replace("1 ", "\3").encode() if "5" in head else text.encode()
    )
    assert "masks/a.png: expected a mask as PNG, got a PNM" in faults_of(tmp_path)


def turn_by_exif(path, orientation):
    """Put an EXIF orientation into a JPEG file."""
    content = path.read_bytes()
    tiff = b"MM\0*\0\0\0\x08\0\x01" + struct.pack(">HHIHH", 274, 3, 1, orientation, 0) + b"\0" * 4
    exif = b"Exif\0\0" + tiff
    path.write_bytes(
        content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]
    )


@pytest.fixture
def turned(tmp_path, write_image):
    """A COCO set of one JPEG that is white in the upper left quarter as stored.

    With an orientation.
    """

    def write(orientation, annotated, stored=(40, 60)):
        image = np.zeros((*stored, 3), np.uint8)
        image[: stored[0] // 2, : stored[1] // 2] = 255
        turn_by_exif(write_image(tmp_path / "images" / "a.jpg", image), orientation)
        height, width = annotated
        index = {
            "images": [{"id": 1, "file_name": "a.jpg", "width": width, "height": height}],
            "annotations": [{**BOX, "bbox": [1, 1, 10, 10]}],
            "categories": [PERSON],
        }
        (tmp_path / "annotations.json").write_text(json.dumps(index))
        return tmp_path

    return write


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_annotated_size_tells_what_boxes_refer_to(turned, orientation):
    swaps = orientation >= 5
    root = turned(orientation, (40, 60))
    (sample,) = read(root).samples
    image = sample_image(sample)
    assert image.shape[:2] == sample.size_hw == (40, 60)
    assert sample.as_stored == swaps
    if sample.as_stored:
        assert image[5, 5].min() > 200 and image[35, 55].max() < 50
    notes = " ".join(read(root).notes)
    assert ("without the turn" in notes) == swaps
    assert ("sizes can't tell" in notes) == (1 < orientation < 5)
    if swaps:
        (sample,) = read(turned(orientation, (60, 40))).samples
        assert sample_image(sample).shape[:2] == sample.size_hw == (60, 40)
        assert not sample.as_stored


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_square_image_can_not_tell(turned, orientation):
    notes = read(turned(orientation, (50, 50), stored=(50, 50))).notes
    assert any("sizes can't tell" in note for note in notes) == (orientation > 1)


def test_a_size_that_fits_neither_way_names_the_turn(turned):
    assert "got an image of 40x60 pixels (EXIF orientation 6)" in faults_of(turned(6, (41, 60)))


@pytest.fixture
def yolo(tmp_path, write_image):
    """Write a YOLO set of one image."""

    def write(lines="0 .5 .5 .4 .4", names="data.yaml", content="names: [person]"):
        write_image(tmp_path / "images" / "a.jpg")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / "a.txt").write_text(lines)
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / names).write_bytes(data)
        return tmp_path

    return write


@pytest.mark.parametrize("suffix", [".TXT", ".Txt", ".txt"])
@pytest.mark.parametrize("image", [".JPG", ".jpeg", ".PNG"])
def test_suffixes_of_any_case(yolo, write_image, suffix, image):
    root = yolo()
    (root / "labels" / "a.txt").rename(root / "labels" / f"a{suffix}")
    if image != ".jpeg":
        (root / "images" / "a.jpg").unlink()
        written = write_image(root / "images" / f"b{image.lower()}")
        written.rename(root / "images" / f"a{image}")
    assert read(root).samples[0].class_ids.tolist() == [2]


def test_two_label_files_of_one_image(yolo):
    root = yolo()
    (root / "labels" / "a.TXT").write_text("")
    assert "has the same name without suffix" in faults_of(root)


@pytest.mark.parametrize("names", ["classes.txt", "obj.names"])
def test_a_blank_line_in_a_list_of_names_shifts_no_number(yolo, names):
    text = faults_of(yolo("1 .5 .5 .4 .4", names, "rail\n\nperson\n"))
    assert names in text and "line 2 is blank" in text
    (root,) = {yolo("1 .5 .5 .4 .4", names, "rail\nperson\n\n\n")}
    assert read(root).samples[0].class_ids.tolist() == [2]


def test_a_name_that_stands_twice(yolo):
    assert "'person' is class 0 and class 1" in faults_of(yolo(content="names: [person, person]"))


@pytest.mark.parametrize(
    ("content", "byte"),
    [("Stra\xdfe\nperson\n".encode("latin-1"), "0xdf"), ("人\nperson\n".encode("gb2312"), "0xc8")],
)
@pytest.mark.parametrize("names", ["classes.txt", "data.yaml"])
def test_text_of_another_encoding_names_the_file(yolo, content, byte, names):
    content = content if names == "classes.txt" else b"names:\n- " + content.replace(b"\n", b"\n- ")
    text = faults_of(yolo(names=names, content=content.rstrip(b"- ")))
    assert names in text and byte in text and "UTF-8" in text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("name", ["classes.txt", "labels/a.txt"])
def test_wide_text_without_a_mark_is_named(yolo, encoding, name):
    root = yolo(names="classes.txt", content="person\n")
    path = root / name
    path.write_bytes(path.read_text().encode(encoding))
    text = faults_of(root)
    assert name in text and "UTF-16 without a byte-order mark" in text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "gb2312", "latin-1"])
def test_json_of_another_encoding_is_named(tmp_path, write_image, encoding):
    write_image(tmp_path / "a.jpg")
    label = "ä" if encoding == "latin-1" else "人"
    shape = {"label": label, "points": [[1, 1], [9, 9]], "shape_type": "rectangle"}
    text = json.dumps({"shapes": [shape], "imagePath": "a.jpg"}, ensure_ascii=False)
    (tmp_path / "a.json").write_bytes(text.encode(encoding))
    assert "a.json: expected text in UTF-8" in faults_of(tmp_path)


@pytest.mark.parametrize(
    "name", ["no", "yes", "on", "off", "n", "y", "No", "ON", "null0", "1e", "012"]
)
def test_words_of_yaml_1_1_are_class_names(yolo, name):
    root = yolo(content=f"names: [{name}, person]\n", lines="0 .5 .5 .4 .4\n1 .5 .5 .4 .4")
    assert read(root, rename={name: "rail"}).samples[0].class_ids.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["true", "False", "~", "[a]"])
def test_names_that_yaml_reads_as_no_text(yolo, name):
    assert "data.yaml" in faults_of(yolo(content=f"names: [{name}, person]\n"))


@pytest.mark.parametrize(
    "content",
    [
        "names: !!bool x",
        "names: !!timestamp x",
        "names: !!int ''",
        "names: !!float ''",
        "names: [a]\nnames: [b]",
        "names: {0: a, 0: b}",
        "names: " + "[" * 5000,
        "names: !!python/x 1",
    ],
)
def test_yaml_that_is_broken_names_the_file(yolo, content):
    assert "data.yaml" in faults_of(yolo(content=content))


@pytest.mark.parametrize("key", ["names: {bomb}", "names: [person]\ntrain: {bomb}"])
def test_aliases_of_aliases_do_not_make_an_endless_message(yolo, key):
    lines = ["k0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"k{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    root = yolo(content="\n".join([*lines, key.format(bomb="*a11")]))
    if key.startswith("names: {"):
        assert len(faults_of(root)) < 5000
    else:
        assert max(map(len, read(root).notes)) < 5000


def test_a_detection_with_its_score_is_no_label(yolo):
    assert "detection with its score" in faults_of(yolo("0 .5 .5 .4 .4 .9"))


def test_images_without_label_file_are_counted(yolo, write_image):
    root = yolo()
    write_image(root / "images" / "b.jpg")
    assert "1 of 2 images have no label file" in " ".join(read(root).notes)


def test_a_split_without_labels_is_not_read_as_empty(tmp_path, write_image):
    for split in ("train", "val"):
        write_image(tmp_path / "images" / split / f"{split}.jpg")
    (tmp_path / "labels" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train" / "train.txt").write_text("0 .5 .5 .4 .4")
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [person]")
    assert "labels/val/: no such folder of label files" in faults_of(tmp_path)
    assert len(read(tmp_path, split="train")) == 1


def voc_xml(filename, encoding="utf-8", name="person"):
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><annotation><filename>{filename}</filename>'
        f"<object><name>{name}</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax>"
        "<ymax>9</ymax></bndbox></object></annotation>"
    )
    return text.encode(encoding)


@pytest.fixture
def voc(tmp_path, write_image):
    def write(files, images=("a.jpg",)):
        for image in images:
            write_image(tmp_path / "JPEGImages" / image)
        (tmp_path / "Annotations").mkdir()
        for name, content in files.items():
            (tmp_path / "Annotations" / name).write_bytes(content)
        return tmp_path

    return write


@pytest.mark.parametrize(
    "encoding", ["gb2312", "gbk", "gb18030", "big5", "latin-1", "cp1252", "utf-16"]
)
def test_xml_of_a_declared_encoding(voc, encoding):
    name = "ä" if encoding in ("latin-1", "cp1252") else "人"
    root = voc({"a.xml": voc_xml("a.jpg", encoding, name)})
    assert read(root, rename={name: "person"}).samples[0].class_ids.tolist() == [2]


@pytest.mark.parametrize(
    "content",
    [
        voc_xml("a.jpg").replace(b"utf-8", b"klingon"),
        voc_xml("\xdf").replace(b"\xc3\x9f", b"\xdf"),
        b"<annotation>",
        b"",
        b"\0\1",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>",
    ],
)
def test_xml_that_can_not_be_read_names_the_file(voc, content):
    assert "Annotations/a.xml" in faults_of(voc({"a.xml": content}))


@pytest.mark.parametrize("value", ["", "0", "1", " 1 ", "true", "False"])
def test_difficult_of_other_words(voc, value):
    difficult = f"<object><difficult>{value}</difficult>".encode()
    root = voc({"a.xml": voc_xml("a.jpg").replace(b"<object>", difficult)})
    crowd = value.strip().lower() in ("1", "true")
    assert read(root).samples[0].crowd.tolist() == [crowd]


@pytest.mark.parametrize("value", ["yes", "no", "2", "-1", "0.5", "Unspecified"])
def test_difficult_that_says_nothing(voc, value):
    difficult = f"<object><difficult>{value}</difficult>".encode()
    root = voc({"a.xml": voc_xml("a.jpg").replace(b"<object>", difficult)})
    assert "Annotations/a.xml: object 0: expected difficult 0 or 1" in faults_of(root)


OBJECT = voc_xml("a.jpg").partition(b"</filename>")[2].removesuffix(b"</annotation>")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<annotation><objects>%b</objects></annotation>" % OBJECT, "objects in <objects>"),
        (b"<annotation>%b</annotation>" % OBJECT.replace(b"object", b"Object"), "in <Object>"),
        (b"<annotation>%b</annotation>" % OBJECT.replace(b"object", b"item"), "in <item>"),
        (b"<doc><annotation>%b</annotation></doc>" % OBJECT, "as the root, got <doc>"),
    ],
)
def test_objects_that_stand_elsewhere_make_no_empty_image(voc, content, said):
    assert said in faults_of(voc({"a.xml": content}))


@pytest.mark.parametrize("space", ["http://x", "urn:voc"])
@pytest.mark.parametrize("prefix", ["", "v:"])
def test_xml_with_a_namespace(voc, space, prefix):
    attribute = f'xmlns{":v" if prefix else ""}="{space}"'
    text = voc_xml("a.jpg").decode().replace("<annotation>", f"<annotation {attribute}>")
    text = text.replace("<object>", f"<{prefix}object>").replace("</object>", f"</{prefix}object>")
    assert len(read(voc({"a.xml": text.encode()})).samples[0].class_ids) == 1


def test_a_stale_filename_does_not_move_labels(voc):
    files = {"a.xml": voc_xml("a.jpg"), "b.xml": voc_xml("a.jpg")}
    dataset = read(voc(files, ("a.jpg", "b.jpg")))
    assert sorted(sample.image_path.name for sample in dataset.samples) == ["a.jpg", "b.jpg"]
    assert any("state another image" in note and "b.xml" in note for note in dataset.notes)


def test_a_stale_filename_alone_is_found_twice(voc):
    files = {"a.xml": voc_xml("a.jpg"), "b.xml": voc_xml("a.jpg")}
    assert "JPEGImages/a.jpg: listed 2 times" in faults_of(voc(files))


@pytest.mark.parametrize("suffix", [".XML", ".Xml"])
def test_xml_of_any_case(voc, suffix):
    assert len(read(voc({f"a{suffix}": voc_xml("a.jpg")}))) == 1


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        (("images/a.jpg", "labels/a.txt"), "add classes.txt"),
        (("images/a.jpg", "labels/a.txt", "names.txt"), "rename names.txt to classes.txt"),
        (("imgs/a.jpg", "labels/a.txt", "classes.txt"), "images in imgs/: rename it to images/"),
        (("images/a.jpg", "label/a.txt", "classes.txt"), "in label/: rename it to labels/"),
        (("images/a.jpg", "mask/a.png"), "rename it to masks/"),
        (("images/a.jpg", "annotation.json"), "annotation.json"),
        (("_annotations.csv", "a.jpg"), "export the data set as COCO or YOLO"),
        (("a.jpg", "b.jpg"), "Found: 2 .jpg"),
        ((), "Found: nothing"),
    ],
)
def test_a_near_miss_says_what_to_rename(tmp_path, write_image, made, advice):
    for name in made:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix in (".jpg", ".png"):
            write_image(path)
        else:
            path.write_text("0 .5 .5 .4 .4\n" if path.suffix == ".txt" else "{}")
    assert advice in faults_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("a.zip", b"PK", "unpack it"),
        ("p.json", b'[{"data": {}, "annotations": []}]', "Label Studio's own JSON"),
        ("v.json", b'{"_via_img_metadata": {}}', "a project or export of VIA"),
        ("c.json", b'[{"image": "a.jpg", "annotations": []}]', "CreateML's JSON"),
        ("s.json", b'{"shapes": []}', "a LabelMe file of one image: give the folder"),
        ("a.jpg", b"\xff\xd8\xff", "give the folder"),
        ("a.bag", b"#ROSBAG V2.0", "rosbags-convert"),
        ("a.mcap", b"\x89MCAP0", "mtv evaluate"),
    ],
)
def test_a_file_that_is_no_data_set(tmp_path, name, content, advice):
    (tmp_path / name).write_bytes(content)
    assert advice in faults_of(tmp_path / name)


def test_a_split_that_is_not_there_names_those_that_are(tmp_path, write_image):
    for split in ("train", "valid"):
        write_image(tmp_path / split / "images" / f"{split}.jpg")
        (tmp_path / split / "labels").mkdir(parents=True)
    (tmp_path / "data.yaml").write_text("names: [person]\n")
    assert "found train, valid" in faults_of(tmp_path, split="test")


def test_orientation_of_the_real_decoder_is_ours(turned):
    """What the header says and what OpenCV does agree for every orientation."""
    for orientation in range(1, 9):
        root = turned(orientation, (60, 40) if orientation >= 5 else (40, 60))
        image = cv2.imread(str(root / "images" / "a.jpg"), cv2.IMREAD_COLOR)
        assert image.shape[:2] == read(root).samples[0].size_hw


# Of an image of 60x40 pixels: what a tool stores, and the box of the part that lies in it.
REACHING = {
    "turned box": ('<box xtl="-10" ytl="10" xbr="10" ybr="20" rotation="90"{}/>', (0, 5, 5, 25)),
    "ellipse": ('<ellipse cx="50" cy="20" rx="20" ry="8"{}/>', (30, 12, 60, 28)),
    "turned ellipse": ('<ellipse cx="8" cy="5" rx="12" ry="4" rotation="90"{}/>', (4, 0, 12, 17)),
    "circle": ([[5, 20], [5, 30]], (0, 10, 15, 30)),
}


@pytest.mark.parametrize("kind", REACHING)
def test_turned_and_round_shapes_may_reach_out_of_the_image(tmp_path, write_image, kind):
    """Their tools let them, so they are no faults of the labels."""
    stored, expected = REACHING[kind]
    write_image(tmp_path / "a.png", np.zeros((40, 60, 3), np.uint8))
    if kind == "circle":
        shape = {"label": "person", "shape_type": "circle", "points": stored}
        content = {"imagePath": "a.png", "imageHeight": 40, "imageWidth": 60, "shapes": [shape]}
        (tmp_path / "a.json").write_text(json.dumps(content))
    else:
        image = '<image id="0" name="a.png" width="60" height="40">'
        shape = stored.format(' label="person"')
        (tmp_path / "annotations.xml").write_text(
            f"<annotations>{image}{shape}</image></annotations>"
        )
    sample = read(tmp_path).samples[0]
    assert np.allclose(sample.boxes_xyxy, [expected], atol=1e-3)
    rows, columns = np.nonzero(sample_mask(sample) == WAREHOUSE.id_of("person"))
    found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.allclose(found, expected, atol=1.5)


def test_a_turned_box_that_lies_wholly_outside_is_a_fault(tmp_path, write_image):
    write_image(tmp_path / "a.png", np.zeros((40, 60, 3), np.uint8))
    box = '<box label="person" xtl="-40" ytl="10" xbr="-20" ybr="20" rotation="10"/>'
    image = f'<image id="0" name="a.png" width="60" height="40">{box}</image>'
    (tmp_path / "annotations.xml").write_text(f"<annotations>{image}</annotations>")
    assert "lies outside the image" in faults_of(tmp_path)


def yolo_lines(root, write_image, lines, names="names: [person]\n"):
    """A YOLO set with a label file for each text of `lines`."""
    (root / "labels").mkdir()
    for index, text in enumerate(lines):
        write_image(root / "images" / f"{index}.png")
        (root / "labels" / f"{index}.txt").write_text(text)
    (root / "data.yaml").write_text(names)
    return root


BOXED = ((0.5, 0.5, 0.2, 0.4), (0.3, 0.6, 0.1, 0.2), (0.8, 0.3, 0.1, 0.3))


def pose(count, visibility):
    """A line for each box with key points inside it; the first of each is not seen."""
    lines = []
    for cx, cy, w, h in BOXED:
        points = [(cx + w * i / 40, cy - h * i / 40) for i in range(1, count)]
        points = [(0.0, 0.0), *points]
        flags = [0, *(1 + i % 2 for i in range(1, count))]
        each = [(*p, flag) if visibility else p for p, flag in zip(points, flags, strict=True)]
        values = (cx, cy, w, h, *(value for point in each for value in point))
        lines.append(f"0 {' '.join(f'{value:g}' for value in values)}")
    return lines


@pytest.mark.parametrize("visibility", [False, True])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 6, 16, 17])
def test_lines_with_key_points_are_no_outlines(tmp_path, write_image, count, visibility):
    text = faults_of(yolo_lines(tmp_path, write_image, pose(count, visibility)))
    assert "keep the first five values of each line" in text


def test_key_points_that_the_list_of_names_states(tmp_path, write_image):
    names = "names: [person]\nkpt_shape: [4, 3]\n"
    text = faults_of(yolo_lines(tmp_path, write_image, pose(4, True), names))
    assert "keep the first five values of each line and remove kpt_shape" in text


@pytest.mark.parametrize("corners", [3, 4, 5, 8, 48])
def test_outlines_of_one_length_are_no_key_points(tmp_path, write_image, corners):
    angles = np.arange(corners) * 2 * np.pi / corners
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    lines = []
    for cx, cy, w, h in BOXED:
        values = (circle * (w / 2, h / 2) + (cx, cy)).ravel()
        lines.append("0 " + " ".join(f"{value:.4f}" for value in values))
    dataset = read(yolo_lines(tmp_path, write_image, lines))
    assert all(len(sample.regions) == 1 for sample in dataset.samples)


def test_outlines_that_fill_the_image_are_no_key_points(tmp_path, write_image):
    root = yolo_lines(tmp_path, write_image, ["0 0 0 1 0 1 1 0 1 0 0", "0 0 0 1 0 1 1 0 1 0 0.5"])
    assert len(read(root).samples) == 2


def test_an_outline_that_ends_on_the_edges_of_the_image_is_no_key_point(tmp_path, write_image):
    """Its last corners are 0 and 1, as of visible points."""
    root = yolo_lines(tmp_path, write_image, ["0 .3 .5 .6 .5 1 .9 1 1 0 1"])
    assert len(read(root).samples[0].regions) == 1


@pytest.mark.parametrize(
    "lists",
    ["train: images\nval: images\n", "train: images\nval: images/\ntest: ./images\n"],
)
def test_splits_that_name_the_same_images(tmp_path, write_image, lists):
    line = "0 0.5 0.5 0.5 0.5"
    root = yolo_lines(tmp_path, write_image, [line] * 3, f"names: [person]\n{lists}")
    text = faults_of(root)
    assert "the splits train and val both name 3 images, such as images/0.png" in text
    assert "--split train" in text and "listed 2 times" not in text
    assert len(read(root, split="val").samples) == 3


def test_splits_whose_folders_are_one_by_a_link(tmp_path, write_image):
    for part in ("images", "labels"):
        (tmp_path / part / "train").mkdir(parents=True)
        (tmp_path / part / "val").symlink_to(tmp_path / part / "train")
    write_image(tmp_path / "images" / "train" / "a.png")
    (tmp_path / "labels" / "train" / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
    (tmp_path / "data.yaml").write_text("names: [person]\n")
    assert "the splits train and val both name 1 images" in faults_of(tmp_path)


FOREIGN = {
    "CreateML's JSON": [{"image": "a.png", "annotations": [{"label": "person"}]}],
    "Label Studio's own JSON": [{"data": {"image": "a.png"}, "annotations": []}],
    "Label Studio's JSON-MIN": [{"image": "a.png", "label": [], "annotator": 1}],
    "a project or export of VIA": {"a.png12": {"filename": "a.png", "regions": []}},
    "BDD100K's or Scalabel's JSON": [{"name": "a.png", "labels": []}],
    "Labelbox's JSON": [{"data_row": {}, "projects": {}}],
    "Datumaro's JSON": {"categories": {}, "items": []},
    "V7 Darwin's JSON": {"item": {"name": "a.png"}, "annotations": []},
    "VoTT's JSON": {"asset": {"name": "a.png"}, "regions": []},
    "a list of detections with scores": [{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}],
}


@pytest.mark.parametrize("named", FOREIGN)
@pytest.mark.parametrize("place", ["a", "images/a", "train/a"])
def test_json_of_another_tool_is_named(tmp_path, write_image, named, place):
    write_image(tmp_path / f"{place}.png")
    folder = tmp_path / "train" if place.startswith("train") else tmp_path
    path = folder / "_annotations.json"
    path.write_text(json.dumps(FOREIGN[named]))
    for root in (tmp_path, path):
        text = faults_of(root)
        assert f"_annotations.json is {named}" in text and "Perhaps" not in text


def test_a_labelme_file_does_not_make_labelme_of_another_layout(tmp_path, write_image):
    shapes = [{"label": "person", "points": [[5, 5], [20, 30]], "shape_type": "rectangle"}]
    stray = {"shapes": shapes, "imagePath": "a.png", "imageHeight": 40, "imageWidth": 60}
    write_image(tmp_path / "images" / "a.png")
    (tmp_path / "a.json").write_text(json.dumps(stray))
    text = faults_of(tmp_path)
    assert "put the files beside their images" in text and "move them out of it" in text
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), np.ones((40, 60), np.uint8))
    assert sample_mask(read(tmp_path).samples[0]).tolist() == np.ones((40, 60)).tolist()


def test_labelme_files_behind_another_json_file(tmp_path, write_image):
    write_image(tmp_path / "a.png")
    shape = {"label": "person", "points": [[5, 5], [20, 30]], "shape_type": "rectangle"}
    (tmp_path / "a.json").write_text(json.dumps({"shapes": [shape], "imagePath": "a.png"}))
    (tmp_path / "Meta.json").write_text("{}")
    assert "Meta.json: expected a list 'shapes', found none; move the file" in faults_of(tmp_path)


@pytest.mark.parametrize("count", [8, 17])
@pytest.mark.parametrize("size", [0.4, 0.6, 0.9])
def test_key_points_of_large_boxes_are_no_outlines(tmp_path, write_image, count, size):
    """Width and height lie among the points, so that they could be a corner."""
    rng = np.random.default_rng(count)
    lines = []
    for _ in range(6):
        wide = rng.uniform(size - 0.1, size, 2)
        centre = rng.uniform(wide / 2, 1 - wide / 2)
        points = centre + rng.uniform(-0.5, 0.5, (count, 2)) * wide
        values = np.concatenate([centre, wide, points.ravel()])
        lines.append("0 " + " ".join(f"{value:.4f}" for value in values))
    text = faults_of(yolo_lines(tmp_path, write_image, lines))
    assert "keep the first five values of each line" in text
