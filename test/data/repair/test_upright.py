"""Boxes of drawn pictures that were turned by known angles, their corners filled."""

import json

import cv2
import numpy as np
import pytest

from mtv_perception.cli.main import main
from mtv_perception.data.repair import upright

SIDE = 416
CENTRE, AXES = (150, 190), (40, 90)  # of the one object, an ellipse


def draw(dark_top=False):
    image = np.random.default_rng(0).integers(90, 200, (SIDE // 8, SIDE // 8, 3), np.uint8)
    image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    if dark_top:
        image[: SIDE // 4] = 3
    return cv2.ellipse(image, CENTRE, AXES, 0, 0, 360, (40, 60, 250), -1)


def turn(image, degrees, fill=0):
    """The picture and its object's true box, both turned clockwise, and the hull of the turned box:
    xywh.
    """
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), -degrees, 1)
    turned = cv2.warpAffine(image, matrix, (SIDE, SIDE), borderValue=(fill,) * 3)
    corners = np.array(
        [(CENTRE[0] + i * AXES[0], CENTRE[1] + j * AXES[1]) for i in (-1, 1) for j in (-1, 1)]
    )
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    outline = cv2.ellipse2Poly(CENTRE, AXES, 0, 0, 360, 1) @ matrix[:, :2].T + matrix[:, 2]
    return turned, *(
        [float(v) for v in (*p.min(0), *np.ptp(p, axis=0))]
        for p in (outline.round(1), corners.round(1))
    )


def jpeg(image):
    return cv2.imdecode(
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1], cv2.IMREAD_COLOR
    )


@pytest.mark.parametrize("degrees", [-4.6, -3, -1.5, 1, 2, 5])
@pytest.mark.parametrize("fill", [0, 45])
def test_the_angle_is_read_from_the_corners(degrees, fill):
    found, sides = upright.angle_of(jpeg(turn(draw(), degrees, fill)[0]))
    assert found == pytest.approx(degrees, abs=0.3) and sides >= 3


@pytest.mark.parametrize("degrees", [-4, 3])
def test_a_side_as_dark_as_the_fill_says_nothing(degrees):
    found, sides = upright.angle_of(jpeg(turn(draw(dark_top=True), degrees)[0]))
    assert found == pytest.approx(degrees, abs=0.3) and sides < 4


def framed(width):
    image = draw()
    image[:width] = image[-width:] = image[:, :width] = image[:, -width:] = 0
    return image


def one_wedge():
    return cv2.fillConvexPoly(draw(), np.array([(200, 0), (SIDE, 0), (SIDE, 16)]), (0, 0, 0))


@pytest.mark.parametrize(
    "image",
    [draw(), draw(dark_top=True), framed(12), one_wedge(), np.zeros((SIDE, SIDE, 3), np.uint8)],
    ids=["plain", "dark top", "frame", "one wedge", "black"],
)
def test_dark_borders_alone_are_no_turn(image):
    assert upright.angle_of(jpeg(image))[0] == pytest.approx(0, abs=0.3)


@pytest.mark.parametrize("degrees", [-5, -2, 1, 4])
def test_an_ellipse_gets_its_own_box(degrees):
    _, true, hull = turn(draw(), degrees)
    assert hull[2] > true[2] + 1
    assert upright.tighten(hull, (SIDE, SIDE), degrees) == pytest.approx(true, abs=1)


@pytest.mark.parametrize("sides", [(10, 200), (200, 10), (50, 50), (0, 30)])
def test_sides_shrink_within_bounds(sides):
    sides = np.array(sides, float)
    tight = upright.tight_sides(sides, 5)
    assert (0.75 * sides <= tight).all() and (tight <= sides).all()
    assert upright.tight_sides(sides, 0) == pytest.approx(sides)


def test_a_side_on_the_border_stays():
    x, y, width, height = upright.tighten([0.5, 100, 80, 200], (SIDE, SIDE), 4)
    assert x == 0.5 and y > 100 and y + height < 300
    full = upright.tighten([100, 0, 80, 200], (SIDE, SIDE), 4)
    assert width - 80 == pytest.approx((full[2] - 80) / 2, abs=0.02)
    assert upright.tighten([0, 0, SIDE, SIDE], (SIDE, SIDE), 4) == [0, 0, SIDE, SIDE]


def test_a_folder_is_written(tmp_path, capsys):
    source, out = tmp_path / "in", tmp_path / "out"
    for folder in ("images", "masks"):
        (source / folder).mkdir(parents=True)
    turned, _, hull = turn(draw(), 3)
    cv2.imwrite(str(source / "images" / "turned.png"), turned)
    cv2.imwrite(str(source / "images" / "plain.png"), draw())
    cv2.imwrite(str(source / "masks" / "turned.png"), np.zeros((SIDE, SIDE), np.uint8))
    index = {
        "images": [
            {"id": n, "file_name": f"{name}.png", "width": SIDE, "height": SIDE}
            for n, name in enumerate(("turned", "plain"))
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 2, "bbox": hull, "area": hull[2] * hull[3]}
            for n in (0, 1)
        ],
        "categories": [{"id": 2, "name": "person"}],
    }
    (source / "annotations.json").write_text(json.dumps(index))
    assert main(["data", "upright", str(source), "--out", str(out)]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["images"] == {"+3": 1, "unknown": 1} and report["boxes"] == 1
    assert (
        report["width_over_height_after"]["person"] < report["width_over_height_before"]["person"]
    )
    turned_box, plain_box = json.loads((out / "annotations.json").read_text())["annotations"]
    assert turned_box["bbox"][2] < hull[2] - 1 and turned_box["area"] < hull[2] * hull[3]
    assert plain_box == index["annotations"][1]
    assert (out / "images" / "plain.png").resolve() == (source / "images" / "plain.png").resolve()
    assert (out / "masks" / "turned.png").read_bytes() == (
        source / "masks" / "turned.png"
    ).read_bytes()
    assert main(["data", "upright", str(source), "--out", str(out)]) == 2
    assert "expected a folder that does not exist yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda index: index["annotations"][0].pop("bbox"), "annotation 1: expected a bbox"),
        (lambda index: index["annotations"][0].update(category_id=7), "expected a category_id"),
        (lambda index: index["annotations"][0].update(image_id=9), "expected a image_id"),
        (lambda index: index["images"][0].update(file_name="../x.png"), "below images/"),
        (lambda index: index["images"][0].update(file_name="b.png"), "images/b.png: no such image"),
        (lambda index: index.pop("categories"), "expected images, annotations and categories"),
    ],
)
def test_an_index_that_can_not_be_copied_is_refused(tmp_path, change, said, capsys):
    root = tmp_path / "source"
    (root / "images").mkdir(parents=True)
    cv2.imwrite(str(root / "images" / "a.png"), np.zeros((40, 60, 3), np.uint8))
    index = {
        "images": [{"id": 1, "file_name": "a.png", "width": 60, "height": 40}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 20, 20]}],
        "categories": [{"id": 1, "name": "person"}],
    }
    change(index)
    (root / "annotations.json").write_text(json.dumps(index))

    assert main(["data", "upright", str(root), "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
