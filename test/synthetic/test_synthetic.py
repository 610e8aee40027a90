"""The synthetic generator: reproducible bytes, boxes that equal the masks, disjoint splits,
resumption.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtv_perception.cli import synth
from mtv_perception.data.formats.open import DatasetConfig, open_dataset
from mtv_perception.data.sample import sample_mask
from mtv_perception.errors import ConfigError, DatasetError
from mtv_perception.labels import WAREHOUSE, LabelSet
from mtv_perception.synthetic import generate
from mtv_perception.synthetic.building.rails import crossing, make_rail, straight_path
from mtv_perception.synthetic.people.cutouts import load_cutouts
from mtv_perception.synthetic.people.outfits import sample_outfit
from mtv_perception.synthetic.people.people import make_person
from mtv_perception.synthetic.people.poses import UPRIGHT
from mtv_perception.synthetic.render.assets import make_assets
from mtv_perception.synthetic.render.camera import distortion_map
from mtv_perception.synthetic.render.mesh import Material
from mtv_perception.synthetic.render.renderer import Renderer, RendererUnavailable
from mtv_perception.synthetic.render.sweeps import extrude, triangulate
from mtv_perception.synthetic.scene.annotate import MIN_PIXELS, annotate, class_mask
from mtv_perception.synthetic.scene.studio import Studio
from mtv_perception.synthetic.vehicles.forklifts import KINDS, make_forklift

SIZE_HW = (120, 160)


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    try:
        opened = Studio("train", SIZE_HW)
    except RendererUnavailable as error:
        pytest.skip(str(error))
    yield opened
    opened.close()


def test_annotations_of_nothing() -> None:
    empty = np.zeros((4, 5), np.int32)
    assert annotate(empty, [], np.empty(0)) == []
    assert class_mask(empty, []).max() == 0


def test_annotations_mark_slivers_as_crowd() -> None:
    instances = np.zeros((20, 20), np.int32)
    instances[2:12, 3:13] = 1
    instances[15:18, 0:4] = 2
    instances[0:2, 15:20] = 0
    whole, sliver = annotate(instances, [3, 2], np.array([120.0, 12.0]))
    assert whole["bbox"] == [3, 2, 10, 10] and whole["area"] == 100 and whole["iscrowd"] == 0
    assert sliver["area"] < MIN_PIXELS and sliver["iscrowd"] == 1
    hidden = annotate(instances, [3, 2], np.array([1000.0, 12.0]))[0]
    assert hidden["iscrowd"] == 1


def test_undistorted_map_is_the_identity() -> None:
    x, y = distortion_map((6, 8), (0.0, 0.0), 1.0)
    np.testing.assert_allclose(x[0], np.arange(8), atol=1e-5)
    np.testing.assert_allclose(y[:, 0], np.arange(6), atol=1e-5)


@pytest.mark.parametrize("distortion", [(-0.2, 0.01), (0.05, 0.0)])
def test_distorted_map_stays_inside(distortion: tuple[float, float]) -> None:
    x, y = distortion_map((60, 80), distortion, 2.0)
    assert x.min() > -1.5 and x.max() < 160.5 and y.min() > -1.5 and y.max() < 120.5


def test_triangulation_covers_a_concave_polygon() -> None:
    shape = np.array([[0, 0], [3, 0], [3, 1], [1, 1], [1, 3], [0, 3]], np.float64)
    corners = shape[np.array(triangulate(shape))]
    doubled = np.cross(
        np.pad(corners[:, 1] - corners[:, 0], ((0, 0), (0, 1))),
        np.pad(corners[:, 2] - corners[:, 0], ((0, 0), (0, 1))),
    )[:, 2]
    assert abs(doubled).sum() / 2 == pytest.approx(5.0)
    assert len(extrude(shape, 1.0, Material()).triangles) > 0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_forklifts_stand_on_the_floor(kind: str) -> None:
    machine = make_forklift(make_assets("train"), np.random.default_rng(4), kind)
    low, high = machine.mesh.positions.min(axis=0), machine.mesh.positions.max(axis=0)
    assert -0.12 < low[2] < 0.1 and 0.5 < high[2] < 9
    assert machine.fork_tip > machine.fork_heel > machine.rear
    assert np.isfinite(machine.mesh.normals).all()


def test_unknown_forklift_kind() -> None:
    with pytest.raises(ValueError, match="forklift kind"):
        make_forklift(make_assets("train"), np.random.default_rng(0), "tractor")


@pytest.mark.parametrize("pose", sorted(UPRIGHT))
def test_people_stand_on_the_floor(pose: str) -> None:
    rng = np.random.default_rng(2)
    body, _ = make_person(sample_outfit(make_assets("heldout"), rng), UPRIGHT[pose][0](rng), rng)
    assert body.positions[:, 2].min() == pytest.approx(0, abs=1e-4)
    assert 0.7 < body.positions[:, 2].max() < 2.7


def test_rails_are_low_and_crossing_ones_are_found() -> None:
    path = straight_path(5.0, [(1.0, 2.0, 0.8)])
    rail = make_rail(make_assets("train"), path, np.random.default_rng(0))
    assert rail.positions[:, 2].min() >= -1e-6 and rail.positions[:, 2].max() < 0.25
    beside = path + np.array([0, 3.0, 0])
    across = np.column_stack([np.full(50, 0.9), np.linspace(-2, 2, 50), np.zeros(50)])
    assert crossing(path, across) and not crossing(path, beside)


def test_splits_share_no_asset() -> None:
    train, heldout = make_assets("train"), make_assets("heldout")
    for pool in (
        "machine_colors",
        "cloth_colors",
        "rack_colors",
        "designs",
        "bodies",
        "rail_profiles",
    ):
        assert not set(getattr(train, pool)) & set(getattr(heldout, pool))
    same = (train.textures.pixels == heldout.textures.pixels).all(axis=(1, 2, 3))
    assert not same.any()


def test_same_seed_same_bytes(studio: Studio) -> None:
    first = studio.shoot(3, 1)
    studio.shoot(3, 2)
    again = studio.shoot(3, 1)
    assert (
        first.rgb.tobytes() == again.rgb.tobytes() and first.mask.tobytes() == again.mask.tobytes()
    )
    assert first.annotations == again.annotations
    assert studio.shoot(4, 1).rgb.tobytes() != first.rgb.tobytes()


def test_boxes_are_the_extents_of_the_masks(studio: Studio) -> None:
    seen = set()
    for index in range(8):
        sample = studio.shoot(11, index)
        assert set(np.unique(sample.mask)) <= {0, 1, 2, 3}
        ids = [i for i in np.unique(sample.instances) if i]
        assert len(ids) == len(sample.annotations)
        for instance, item in zip(ids, sample.annotations, strict=True):
            rows, columns = np.nonzero(sample.instances == instance)
            x, y, w, h = item["bbox"]
            assert (x, y, x + w, y + h) == (
                columns.min(),
                rows.min(),
                columns.max() + 1,
                rows.max() + 1,
            )
            assert item["area"] == len(rows) and set(sample.mask[rows, columns]) == {
                item["category_id"]
            }
            seen.add(item["category_id"])
    assert seen == {1, 2, 3}


def test_images_are_neither_black_nor_white(studio: Studio) -> None:
    means = [studio.shoot(5, index).rgb.mean() for index in range(4)]
    assert min(means) > 8 and max(means) < 245


@pytest.mark.usefixtures("studio")
def test_generate_resumes_and_extends(tmp_path: Path) -> None:
    generate(tmp_path, 2, 7, size_hw=SIZE_HW)
    first = (tmp_path / "images" / "000000.jpg").stat().st_mtime_ns
    generate(tmp_path, 3, 7, size_hw=SIZE_HW)
    assert (tmp_path / "images" / "000000.jpg").stat().st_mtime_ns == first
    data = json.loads((tmp_path / "annotations.json").read_text())
    assert [entry["file_name"] for entry in data["images"]] == [
        "000000.jpg",
        "000001.jpg",
        "000002.jpg",
    ]
    assert {c["id"]: c["name"] for c in data["categories"]} == {
        1: "rail",
        2: "person",
        3: "forklift",
    }
    for entry in data["images"]:
        image = cv2.imread(str(tmp_path / "images" / entry["file_name"]))
        mask = cv2.imread(
            str(tmp_path / "masks" / entry["file_name"].replace("jpg", "png")), cv2.IMREAD_UNCHANGED
        )
        assert image.shape[:2] == mask.shape == SIZE_HW
    with pytest.raises(ValueError, match="another seed"):
        generate(tmp_path, 3, 8, size_hw=SIZE_HW)


@pytest.mark.usefixtures("studio")
@pytest.mark.parametrize("names", [("rail", "person", "forklift"), ("forklift", "person")])
def test_masks_mean_the_same_to_readers_with_other_classes(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    generate(tmp_path, 3, 7, size_hw=SIZE_HW)
    labels = LabelSet(("background", *names))
    rest = {name: "background" for name in WAREHOUSE.foreground if name not in names}
    for sample in open_dataset(DatasetConfig(tmp_path, rename=rest), labels).samples:
        stored = cv2.imread(
            str(tmp_path / "masks" / f"{sample.image_path.stem}.png"), cv2.IMREAD_UNCHANGED
        )
        found = sample_mask(sample)
        assert found is not None
        for name in names:
            np.testing.assert_array_equal(
                found == labels.id_of(name), stored == WAREHOUSE.id_of(name)
            )


@pytest.mark.usefixtures("studio")
def test_command_line(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    synth.configure(parser)
    options = [
        "--out",
        str(tmp_path),
        "--count",
        "1",
        "--seed",
        "5",
        "--size",
        "64",
        "96",
        "--split",
        "heldout",
    ]
    assert synth.run(parser.parse_args(options)) == 0
    assert cv2.imread(str(tmp_path / "images" / "000000.jpg")).shape == (64, 96, 3)


@pytest.mark.usefixtures("studio")
def test_heldout_differs_from_train(studio: Studio) -> None:
    other = Studio("heldout", SIZE_HW)
    try:
        assert other.shoot(3, 1).rgb.tobytes() != studio.shoot(3, 1).rgb.tobytes()
    finally:
        other.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count of at least 1"),
        ({"seed": -1}, "seed of at least 0"),
        ({"split": "test"}, "split of"),
        ({"workers": 0}, "workers"),
        ({"size_hw": (8, 64)}, "height"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(tmp_path, **{"count": 1, "seed": 0, **arguments})  # type: ignore[arg-type]


def test_missing_egl_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    moderngl = pytest.importorskip("moderngl")

    def refuse(**_: object) -> None:
        raise Exception("libEGL not loaded")

    monkeypatch.setattr(moderngl, "create_standalone_context", refuse)
    with pytest.raises(RendererUnavailable, match="apt-get install libegl1"):
        Renderer(SIZE_HW, make_assets("train").textures)


@pytest.mark.parametrize(
    ("listed", "categories", "value"),
    [
        ("", None, 2),
        ("", {1: "person"}, 1),
        ("background\nperson\n", {1: "person"}, 1),
        ("background\nforklift\nperson\n", {7: "person"}, 2),
    ],
)
def test_cutouts_are_read(
    tmp_path: Path, listed: str, categories: dict[int, str] | None, value: int
) -> None:
    with pytest.raises(DatasetError, match=r"annotations\.json"):
        load_cutouts(tmp_path)
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    mask = np.zeros((200, 200), np.uint8)
    mask[20:180, 60:120], mask[:9] = value, 3 - value
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.full((200, 200, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), mask)
    category = next(iter(categories or {2: ""}))
    item = {
        "id": 1,
        "image_id": 1,
        "category_id": category,
        "bbox": [60, 20, 60, 160],
        "iscrowd": 0,
    }
    index = {
        "images": [{"id": 1, "file_name": "a.png", "width": 200, "height": 200}],
        "annotations": [item],
    }
    if categories:
        index["categories"] = [{"id": key, "name": name} for key, name in categories.items()]
    if listed:
        (tmp_path / "classes.txt").write_text(listed)
    (tmp_path / "annotations.json").write_text(json.dumps(index))
    (person,) = load_cutouts(tmp_path)
    assert person.whole and person.aspect == pytest.approx(60 / 160)
    assert person.rgba[192, 192, 3] == 255
    with pytest.raises(DatasetError, match="1 are not, such as 'b.png'"):
        load_cutouts(tmp_path, ["b.png"])


def test_labels_of_other_origin_are_not_overwritten(tmp_path):
    (tmp_path / "annotations.json").write_text("drawn by hand")

    with pytest.raises(ValueError, match="found other files; choose another"):
        generate(tmp_path, 1, seed=1, split="train", size_hw=(32, 32))
    assert [p.name for p in tmp_path.iterdir()] == ["annotations.json"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--count", "1", "--video", "v.mp4", "--depth", "stereo"], "--depth, --video: no effect"),
        (
            ["--drive", "--count", "3", "--workers", "2"],
            "--count, --workers: no effect with --drive",
        ),
        (["--count", "1", "--cutout-list", "x"], "--cutout-list: no effect without --cutouts"),
    ],
)
def test_options_without_effect_are_refused(tmp_path, options, named):
    parser = argparse.ArgumentParser()
    synth.configure(parser)
    with pytest.raises(ConfigError, match=named):
        synth.run(parser.parse_args(["--out", str(tmp_path / "out"), *options]))
    assert not (tmp_path / "out").exists()
