"""What a fit makes of its data before anything is trained."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mtv_perception.cli.main import main
from mtv_perception.config import load
from mtv_perception.data.coco_writer import write_coco
from mtv_perception.data.formats.open import DatasetConfig, open_dataset, open_datasets
from mtv_perception.errors import ConfigError, DatasetError, WeightsError
from mtv_perception.fit import fit
from mtv_perception.fit.options import FitOptions
from mtv_perception.fit.prepare import own_splits, prepare
from mtv_perception.labels import LabelSet
from mtv_perception.media.decode import image_size
from mtv_perception.runtime.artefact import load_artefact
from mtv_perception.runtime.models import find_model
from mtv_perception.training.config import TrainConfig


def options(tmp_path, *data, **values):
    return FitOptions(tuple(data), tmp_path / "model", **values)


def plan_fit(options, file):
    return fit.plan_fit(options, file, file.parent / "lists")


def names(prepared, part):
    return {sample.image_path for sample in prepared.samples(part)}


def test_a_folder_without_splits_is_parted_without_overlap(tmp_path, floor):
    prepared = prepare(options(tmp_path, floor()), tmp_path / "lists")

    train, check, judge = (names(prepared, part) for part in ("train", "check", "judge"))
    assert prepared.labels.foreground == ("truck", "worker")
    assert len(train | check | judge) == 24 == len(train) + len(check) + len(judge)
    assert len(check) >= 3 and len(judge) >= 3


def test_own_splits_are_kept(tmp_path, floor):
    prepared = prepare(options(tmp_path, floor(splits=True)), tmp_path / "lists")

    assert [len(prepared.samples(part)) for part in ("train", "check", "judge")] == [12, 6, 6]
    assert any("own splits" in note for note in prepared.notes)


def test_near_duplicates_across_own_splits_are_told(tmp_path, floor):
    prepared = prepare(options(tmp_path, floor(splits=True, copies=3)), tmp_path / "lists")

    assert any("3 pairs of near-duplicates" in note for note in prepared.notes)


def test_the_same_images_that_choose_and_judge_are_told(tmp_path, floor):
    root = floor(splits=True)
    shutil.rmtree(root / "test")
    (root / "data.yaml").write_text(
        "train: train/images\nval: valid/images\nnames: [truck, worker]\n"
    )

    prepared = prepare(options(tmp_path, root), tmp_path / "lists")

    assert names(prepared, "check") == names(prepared, "judge")
    assert any("flatters" in note for note in prepared.notes)


def test_classes_can_be_chosen_and_renamed(tmp_path, floor):
    chosen = options(tmp_path, floor(), classes=("person",), rename={"worker": "person"})

    prepared = prepare(chosen, tmp_path / "lists")

    assert prepared.labels.names == ("background", "person")
    objects = sum(
        len(sample.class_ids) for part in prepared.entries for sample in prepared.samples(part)
    )
    assert objects == 12
    assert any("truck" in note for note in prepared.notes)


def test_a_class_that_the_data_lacks_is_refused(tmp_path, floor):
    with pytest.raises(ConfigError, match=r"truck, worker.*'forklift'"):
        prepare(options(tmp_path, floor(), classes=("forklift",)), tmp_path / "lists")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match="nowhere"):
        prepare(options(tmp_path, tmp_path / "nowhere"), tmp_path / "lists")


@pytest.mark.parametrize(
    ("found", "parts"),
    [
        ((), {}),
        (("train",), {}),
        (("train", "valid"), {"train": ("train",), "check": ("valid",), "judge": ("valid",)}),
        (("train", "test"), {"train": ("train",), "check": ("test",), "judge": ("test",)}),
        (
            ("train2017", "val2017", "test"),
            {"train": ("train2017",), "check": ("val2017",), "judge": ("test",)},
        ),
        (("val", "test"), {}),
    ],
)
def test_splits_by_their_usual_names(found, parts):
    assert own_splits(found) == parts


def test_the_plan_is_a_training_configuration(tmp_path, floor):
    file = tmp_path / "model" / "config.yaml"

    plan_fit(options(tmp_path, floor(), minutes=5, sources={"worker": "person"}), file)

    plan = yaml.safe_load(file.read_text())
    config = load(TrainConfig, file)
    assert plan["network"]["names"] == ["truck", "worker"]
    assert config.minutes == pytest.approx(3.75)
    counts = [len(d) for d in open_datasets(config.train, config.network.labels)]
    assert sum(counts) >= 16


def test_two_configurations_in_one_folder_have_lists_of_their_own(tmp_path, floor, capsys):
    read = {}
    for name in ("a", "b"):
        data, out = floor(f"{name}/floor"), tmp_path / f"{name}.yaml"
        assert main(["init", str(data), "--out", str(out)]) == 0
        read[name] = {file: file.read_text() for file in (tmp_path / f"{name}.lists").iterdir()}
        said = capsys.readouterr().out
        assert f"{tmp_path / name}.lists/" in said and "--take list:FILE" in said
    assert len(read["a"]) == len(read["b"]) == 3
    assert all(file.read_text() == text for file, text in read["a"].items())
    assert str(tmp_path / "a.lists") in (tmp_path / "a.yaml").read_text()


def test_the_plan_can_be_trained_from_another_folder(tmp_path, floor, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = floor()
    plan_fit(options(Path(), Path(root.name)), Path("model/config.yaml"))
    monkeypatch.chdir("/")

    config = load(TrainConfig, tmp_path / "model" / "config.yaml")

    assert open_datasets(config.train, config.network.labels)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "truck, worker: not among the classes of warehouse (rail, person, forklift)"),
        ({"sources": {"worker": "person"}}, "truck: not among"),
        ({"rename": {"worker": "person"}}, "truck: not among"),
        ({"sources": {"worker": "person", "truck": "forklift"}}, ""),
        ({"rename": {"worker": "person", "truck": "forklift"}}, ""),
        ({"initial": ""}, ""),
    ],
)
def test_classes_that_begin_from_nothing_are_told(tmp_path, floor, values, told):
    file = tmp_path / "model" / "config.yaml"

    notes = plan_fit(options(tmp_path, floor(), **values), file).notes

    found = [note for note in notes if "from nothing" in note]
    assert [note.startswith(told) for note in found] == [True] * bool(told)
    assert all("--from OURS=THEIRS" in note for note in found)


@pytest.mark.parametrize(
    ("rename", "names"),
    [
        ({}, ["truck", "worker"]),
        ({"truck": "forklift", "worker": "person"}, ["person", "forklift"]),
        ({"worker": "rail"}, ["rail", "truck"]),
    ],
)
def test_known_classes_keep_the_order_of_the_first_weights(tmp_path, floor, rename, names):
    """So that class ids stay what consumers of the old model know."""
    file = tmp_path / "model" / "config.yaml"
    plan_fit(options(tmp_path, floor(), rename=rename), file)

    assert yaml.safe_load(file.read_text())["network"]["names"] == names


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ({"worker": "people"}, "expected one of rail, person, forklift after '=', got 'people'"),
        ({"people": "person"}, "expected one of truck, worker before '=', got 'people'"),
    ],
)
def test_sources_that_are_none_leave_nothing_behind(tmp_path, floor, sources, told):
    chosen = options(tmp_path, floor(), sources=sources)
    with pytest.raises(ConfigError, match=told):
        plan_fit(chosen, chosen.out / "config.yaml")
    assert not chosen.out.exists()


def test_an_initial_that_does_not_exist_is_told_before_training(tmp_path, floor):
    with pytest.raises(WeightsError, match="octarine"):
        plan_fit(options(tmp_path, floor(), initial="octarine"), tmp_path / "model" / "config.yaml")


def test_own_splits_are_not_said_to_be_read_together(tmp_path, floor, caplog):
    prepare(options(tmp_path, floor(splits=True)), tmp_path / "lists")

    assert "read together" not in caplog.text


def test_too_few_images_are_told_with_their_folder(tmp_path, floor):
    root = few(floor(), 5)

    with pytest.raises(DatasetError, match=r"floor: expected at least 6 images.*got 5"):
        prepare(options(tmp_path, root), tmp_path / "lists")


def few(root, count):
    """Keep the first images of a folder alone."""
    for path in sorted((root / "images").iterdir())[count:]:
        path.unlink()
        (root / "labels" / f"{path.stem}.txt").unlink()
    return root


@pytest.mark.parametrize("splits", [True, False])
@pytest.mark.parametrize("count", [1, 5, 6])
def test_a_small_folder_beside_another_trains_only(tmp_path, floor, splits, count):
    large, small = floor(splits=splits), few(floor("monday"), count)
    alone = prepare(options(tmp_path, large), tmp_path / "lists")

    prepared = prepare(options(tmp_path, large, small), tmp_path / "more")

    added = {part: names(prepared, part) - names(alone, part) for part in alone.entries}
    assert sum(map(len, added.values())) == count
    assert (len(added["train"]) == count) == (count < 6)
    assert any(note.startswith("monday: trains only") for note in prepared.notes) == (count < 6)


def test_small_folders_alone_cannot_judge(tmp_path, floor):
    folders = [few(floor(name), 5) for name in ("monday", "tuesday")]

    with pytest.raises(DatasetError, match="got none for check, judge.*fewer than 6 images"):
        prepare(options(tmp_path, *folders), tmp_path / "lists")


@pytest.mark.parametrize(
    ("outlined", "told"),
    [
        ((), "truck, worker: no outlines"),
        (("truck",), "worker: no outlines"),
        (("truck", "worker"), ""),
    ],
)
def test_classes_without_masks_are_told(tmp_path, floor, outlined, told):
    root, file = floor(), tmp_path / "model" / "config.yaml"
    for path in sorted((root / "labels").iterdir()):
        lines = path.read_text().splitlines()
        boxes = [line.split() for line in lines]
        polygons = [f"{box[0]} 0.4 0.4 0.6 0.4 0.6 0.6 0.4 0.6" for box in boxes]
        kept = [("truck", "worker")[int(box[0])] in outlined for box in boxes]
        path.write_text(
            "\n".join(p if k else b for p, b, k in zip(polygons, lines, kept, strict=True)) + "\n"
        )

    found = [note for note in plan_fit(options(tmp_path, root), file).notes if "masks" in note]

    assert [note.startswith(told) for note in found] == [True] * bool(told)
    assert all("`tests: [foot]`" in note for note in found)
    assert all(("not published" in note) == (not outlined) for note in found)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "rail, person, forklift: known to warehouse"),
        ({"rename": {"worker": "person"}}, "rail, forklift: known to warehouse"),
        ({"initial": ""}, ""),
    ],
)
def test_classes_that_are_lost_are_told(tmp_path, floor, values, told):
    file = tmp_path / "model" / "config.yaml"

    notes = plan_fit(options(tmp_path, floor(), **values), file).notes

    found = [note for note in notes if "not to the new model" in note]
    assert [note.startswith(told) for note in found] == [True] * bool(told)


@pytest.mark.parametrize("steps", [1, 3, 14, 30, 100, 119, 120, 5000])
def test_a_run_is_validated_rarely_but_at_all(tmp_path, floor, steps):
    file = tmp_path / "model" / "config.yaml"

    plan_fit(options(tmp_path, floor(), steps=steps), file)

    every = load(TrainConfig, file).validate_every
    assert 1 <= steps // every <= 8 + 1
    assert every >= min(steps, 15)


def test_classes_that_the_first_weights_know_are_trained_gently(tmp_path, floor):
    """Few images make a network forget more than they teach it."""
    known, new = tmp_path / "known.yaml", tmp_path / "new.yaml"
    sources = {"worker": "person", "truck": "forklift"}
    plan_fit(options(tmp_path, floor(), minutes=30, sources=sources), known)
    plan_fit(options(tmp_path, floor("other"), minutes=30), new)
    gentle, usual = load(TrainConfig, known), load(TrainConfig, new)

    assert gentle.optimiser.learning_rate < usual.optimiser.learning_rate
    assert gentle.validate_first and not usual.validate_first
    assert gentle.network.size_hw == load_artefact(find_model("warehouse")).spec.size_hw


KNOWN = {"sources": {"worker": "person", "truck": "forklift"}}


@pytest.mark.parametrize(
    ("values", "size_hw"),
    [
        ({"minutes": 5}, (352, 384)),
        ({"minutes": 30}, (352, 384)),
        ({"minutes": 5, **KNOWN}, (480, 640)),
        ({"steps": 10, **KNOWN}, (480, 640)),
        ({"minutes": 30, "initial": "warehouse-small", **KNOWN}, (352, 448)),
        ({"minutes": 30, "size_hw": (96, 128), **KNOWN}, (96, 128)),
    ],
)
def test_known_classes_keep_the_size_the_first_weights_were_trained_at(
    tmp_path, floor, values, size_hw
):
    plan_fit(options(tmp_path, floor(), **values), tmp_path / "config.yaml")

    assert load(TrainConfig, tmp_path / "config.yaml").network.size_hw == size_hw


def test_splits_that_are_not_used_are_told(tmp_path, floor):
    folder = write_cvat(floor(splits=True), tmp_path / "cvat")
    prepared = prepare(options(tmp_path, folder), tmp_path / "lists")

    assert [len(prepared.samples(part)) for part in ("train", "check", "judge")] == [12, 6, 6]
    assert any("NOT used: default (2 images)" in note for note in prepared.notes)


def test_nothing_but_crowds_is_refused(tmp_path, floor):
    root = floor()
    folder = write_cvat(floor(splits=True), tmp_path / "cvat")
    boxes = open_dataset(DatasetConfig(folder), LabelSet(("background", "truck", "worker")))
    crowds = replace(
        boxes, samples=tuple(replace(s, crowd=np.ones(len(s.crowd), bool)) for s in boxes.samples)
    )
    write_coco(crowds, tmp_path / "crowds")

    with pytest.raises(DatasetError, match="none that is not a crowd"):
        prepare(options(tmp_path, tmp_path / "crowds"), tmp_path / "lists")
    # Beside others they are let be.
    both = prepare(options(tmp_path, tmp_path / "crowds", root), tmp_path / "lists")
    assert any((~sample.crowd).any() for sample in both.samples("train"))


def write_cvat(root, out):
    """The images of a folder with splits as CVAT's subsets, and two that are in none."""
    lines = []
    (out / "images").mkdir(parents=True)
    for subset, folder in (("Train", "train"), ("Validation", "valid"), ("Test", "test")):
        for path in sorted((root / folder / "images").iterdir()):
            lines.append((f"{folder}-{path.name}", f'subset="{subset}"', path))
    spare = sorted((root / "train" / "images").iterdir())[:2]
    lines += [(f"spare-{path.name}", "", path) for path in spare]
    text = ""
    for name, subset, path in lines:
        shutil.copy(path, out / "images" / name)
        height, width = image_size(path)
        box = 'xtl="5" ytl="5" xbr="20" ybr="20"'
        text += f'<image id="0" name="{name}" {subset} width="{width}" height="{height}">'
        text += f'<box label="truck" {box}/><box label="worker" {box}/></image>'
    (out / "annotations.xml").write_text(f"<annotations>{text}</annotations>")
    return out


def test_names_of_images_need_not_be_utf8(tmp_path, floor):
    root = floor()
    image = sorted((root / "images").rglob("*.*"))[0]
    label = next((root / "labels").rglob(f"{image.stem}.txt"))
    for path in (image, label):
        odd = os.fsencode(path.parent) + b"/caf\xe9" + os.fsencode(path.suffix)
        os.rename(path, odd)
    prepared = prepare(options(tmp_path, root), tmp_path / "lists")

    found = set().union(*(names(prepared, part) for part in ("train", "check", "judge")))
    assert len(found) == 24 and any(os.fsencode(path.stem) == b"caf\xe9" for path in found)


def test_a_split_that_is_not_used_may_be_broken(tmp_path, floor):
    folder = write_cvat(floor(splits=True), tmp_path / "cvat")
    text = (folder / "annotations.xml").read_text()
    parts = text.rpartition('xtl="5"')
    (folder / "annotations.xml").write_text(f'{parts[0]}xtl="?"{parts[2]}')
    prepared = prepare(options(tmp_path, folder), tmp_path / "lists")

    assert any("NOT used: default" in note for note in prepared.notes)


def test_images_that_judge_and_train_in_two_data_sets_are_told(tmp_path, floor):
    first, second = floor(), floor("again")
    for file in [p for p in second.rglob("*") if p.stem.isdecimal()]:
        file.rename(file.with_stem(f"z{99 - int(file.stem)}"))
    prepared = prepare(options(tmp_path, first, second), tmp_path / "lists")
    (note,) = (note for note in prepared.notes if "another data set" in note)
    assert int(note.split()[0]) > 0 and "give overlapping exports as one folder" in note

    alone = prepare(options(tmp_path, first), tmp_path / "lists")
    assert not any("another data set" in note for note in alone.notes)


def test_images_that_choose_need_an_object(tmp_path, floor):
    root = floor(splits=True)
    for path in (root / "valid" / "labels").glob("*.txt"):
        path.write_text("")
    with pytest.raises(DatasetError, match="an object or a mask in the images that choose"):
        prepare(options(tmp_path, root), tmp_path / "lists")


@pytest.mark.parametrize("size_hw", [(100, 130), (0, 64)])
def test_a_size_that_training_would_refuse_is_refused_before(tmp_path, floor, size_hw):
    file = tmp_path / "plan.yaml"
    with pytest.raises(ConfigError, match="size_hw"):
        plan_fit(options(tmp_path, floor(), size_hw=size_hw), file)
    assert not file.exists()


@pytest.mark.parametrize("again", ["floor", "floor/data.yaml"])
@pytest.mark.parametrize("splits", [False, True])
def test_images_of_two_data_sets_are_refused(tmp_path, floor, again, splits):
    root = floor(splits=splits)
    if not splits:
        (root / "data.yaml").write_text("names: [truck, worker]\ntrain: images\n")
    with pytest.raises(DatasetError, match="got 24 of .*floor again, such as .*give each image"):
        prepare(options(tmp_path, root, tmp_path / again), tmp_path / "lists")


def test_data_without_a_class_are_named(tmp_path, floor):
    root = floor()
    for path in (root / "labels").iterdir():
        path.write_text("")
    with pytest.raises(DatasetError, match=r"floor: expected labelled objects or masks"):
        prepare(options(tmp_path, root), tmp_path / "lists")


@pytest.mark.parametrize(
    "name", ["1e3", "0o7", "no", "1.0", "12:30", "~", "a: b", "人", "a,b", "../x"]
)
def test_a_class_name_survives_the_training_file(tmp_path, floor, name):
    root = floor()
    (root / "data.yaml").write_text(f"names: [{json.dumps(name)}, worker]\n")
    plan_fit(options(tmp_path, root, initial=""), tmp_path / "run.yaml")
    assert set(load(TrainConfig, tmp_path / "run.yaml").network.names[1:]) == {name, "worker"}
