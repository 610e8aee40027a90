"""`mtv mine` with the real model on pictures, a video and a bag."""

import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest

from mtv_perception.cli.main import main
from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.data.sample import sample_mask
from mtv_perception.errors import DatasetError
from mtv_perception.media.decode import read_image
from mtv_perception.media.likeness import NEAR_BITS, bits_apart, difference_hash
from mtv_perception.mining.mine import MineOptions, mine
from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact
from mtv_perception.runtime.artefact import Trained
from mtv_perception.visual.anonymise import anonymised

FRAMES = 12


@pytest.fixture(scope="module")
def artefact():
    return load_artefact("warehouse-small")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Frames of the bundled clip: a folder of pictures, some of them nearly the same."""
    from pathlib import Path

    folder = tmp_path_factory.mktemp("people")
    clip = Path(__file__).resolve().parents[2] / "docs" / "media" / "people.mp4"
    capture = cv2.VideoCapture(str(clip))
    for index in range(FRAMES * 9):
        _, image = capture.read()
        if index % 9 == 0:
            cv2.imwrite(str(folder / f"f{index:03d}.png"), image)
    capture.release()
    first = cv2.imread(str(folder / "f000.png"))
    cv2.imwrite(
        str(folder / "brighter.jpg"), np.clip(first.astype(int) + 12, 0, 255).astype(np.uint8)
    )
    cv2.imwrite(str(folder / "same.jpg"), first)
    return folder


@pytest.fixture
def run(tmp_path):
    """Runs the command into a new folder; returns its status and the folder."""
    count = iter(range(100))

    def call(*arguments):
        out = tmp_path / f"mined{next(count)}"
        model = ["--model", "warehouse-small"]
        return main(["mine", *map(str, arguments), "--out", str(out), *model]), out

    return call


def report(out):
    return json.loads((out / "mine.json").read_text(encoding="utf-8"))


def test_the_labels_are_what_the_model_says(run, people, artefact):
    status, out = run(people, "--count", 4)
    perceiver = Perceiver(artefact)
    dataset = read_dataset(out, ReadOptions(artefact.labels))
    rows = {row["file"]: row for row in report(out)["images"]}

    assert status == 0 and len(dataset) == len(rows) == 4
    for sample in dataset.samples:
        row = rows[sample.image_path.name]
        result = perceiver(read_image(people / row["frame"]))
        said = result.detections
        assert np.allclose(sample.boxes_xyxy, said.boxes_xyxy, atol=0.002)
        assert (sample.class_ids == said.class_ids).all()
        assert (sample_mask(sample) == result.segmentation.class_ids).all()
        assert len(row["detections"]) == len(said)
        assert row["reasons"] and 0 <= row["worth"] <= 1


def test_near_duplicates_are_never_both_chosen(run, people):
    status, out = run(people, "--count", 100)
    found = report(out)
    hashes = [difference_hash(read_image(people / row["frame"])) for row in found["images"]]
    apart = bits_apart(hashes, hashes)[~np.eye(len(hashes), dtype=bool)]

    assert status == 0 and (apart > NEAR_BITS).all()
    assert len({row["frame"] for row in found["images"]} & {"f000.png", "same.jpg"}) <= 1
    left_out = found["left_out"]
    assert left_out["near_duplicates"] >= 2
    assert found["chosen"] + sum(left_out.values()) == found["frames"] == FRAMES + 2
    page = (out / "mine.html").read_text(encoding="utf-8")
    assert all(row["file"] in page for row in found["images"])


def test_the_same_input_gives_the_same_output(run, people):
    (_, first), (_, second) = run(people, "--count", 3), run(people, "--count", 3)
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())

    assert files == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file())
    assert [f for f in files if (first / f).read_bytes() != (second / f).read_bytes()] == []


def test_broken_images_are_counted_and_told(run, people, tmp_path, capsys):
    shutil.copytree(people, tmp_path / "pool")
    (tmp_path / "pool" / "f009.png").write_bytes(b"no picture")
    status, out = run(tmp_path / "pool", tmp_path / "gone.mp4", "--count", 2)
    pool, gone = report(out)["inputs"]

    assert status == 1
    assert (pool["failed"], pool["frames"]) == (1, FRAMES + 1)
    assert "f009.png" in pool["faults"][0] and "found nothing" in gone["error"]
    said = capsys.readouterr()
    assert "f009.png" in said.err and "1 could not be read" in said.out


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_without_any_frame_nothing_is_written(run, tmp_path, content):
    (tmp_path / "pool").mkdir()
    if content:
        (tmp_path / "pool" / "a.jpg").write_bytes(content)
    status, out = run(tmp_path / "pool")

    assert status == 2 and not out.exists()


def test_a_folder_with_files_is_refused_before_any_work(tmp_path, people, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.json").write_text("{}")

    assert main(["mine", str(people), "--out", str(tmp_path / "out")]) == 2
    assert "expected a folder that does not exist yet" in capsys.readouterr().err


def test_labelled_images_are_not_mined_again(run, people):
    _, labelled = run(people, "--count", 3)
    status, out = run(people, "--count", 3, "--known", labelled)
    first, second = report(labelled), report(out)

    assert status == 0 and second["known_images"] == 3
    frames = [{row["frame"] for row in found["images"]} for found in (first, second)]
    assert frames[1] and frames[0].isdisjoint(frames[1])


@pytest.mark.parametrize("name", ["Person", "FORKLIFT", "pallet jack", None])
def test_known_images_may_have_any_class_names(run, people, tmp_path, name):
    """They are compared as pictures; also those without any object."""
    known = tmp_path / "known"
    (known / "labels").mkdir(parents=True)
    (known / "images").mkdir()
    shutil.copy(next(people.glob("f*.png")), known / "images" / "a.png")
    (known / "labels" / "a.txt").write_text("0 .5 .5 .2 .2\n" if name else "")
    (known / "classes.txt").write_text(f"{name or 'Person'}\n")
    status, out = run(people, "--count", 2, "--known", known)

    assert (status, report(out)["known_images"]) == (0, 1)


def test_pictures_of_another_kind_are_far_from_labelled_ones(run, people, tmp_path):
    _, labelled = run(people, "--count", 5)
    rng = np.random.default_rng(1)
    (tmp_path / "noise").mkdir()
    cv2.imwrite(str(tmp_path / "noise" / "a.png"), rng.integers(0, 255, (240, 320, 3), np.uint8))
    status, out = run(people, tmp_path / "noise", "--count", 3, "--known", labelled)
    rows = {row["frame"]: row for row in report(out)["images"]}

    assert status == 0
    assert "times as far from labelled images" in "; ".join(rows["a.png"]["reasons"])


def test_bags_and_videos_are_read_and_their_frames_named(run, write_bag, people, tmp_path):
    pictures = [read_image(path) for path in sorted(people.glob("f*.png"))]
    topics = {"/front/image": "raw", "/rear/image": "compressed"}
    bag = write_bag("drive", 3, topics, pixels=lambda index: pictures[index * 4])
    status, out = run(bag, "--count", 2, "--topics", "/front/image")
    found = report(out)

    assert status == 0
    assert found["inputs"][0]["topics"] == {"/front/image": 3}
    assert any("/rear/image" in text for text in found["inputs"][0]["left_out"])
    assert all(row["file"].startswith("drive-") for row in found["images"])
    assert len(list((out / "images").iterdir())) == found["chosen"]


def test_a_person_that_flickers_is_a_reason(artefact, people, tmp_path):
    """The same picture with and without its people: a gap in every sequence."""
    shown = read_image(people / "f000.png")
    hidden = np.full_like(shown, 120)
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, shown.shape[1::-1])
    for image in (shown, shown, hidden, shown, shown):
        writer.write(np.ascontiguousarray(image[..., ::-1]))
    writer.release()
    if not len(Perceiver(artefact)(shown).detections):
        pytest.skip("the model finds nobody in the clip's first frame")
    mined = mine(MineOptions((path,), tmp_path / "out", 5), artefact, PerceiverConfig())
    reasons = {pick.seen.place: pick.reasons for pick in mined.picks}

    assert "found before and after is missing" in "; ".join(reasons[2])


@pytest.mark.parametrize("trained", [Trained(masks=()), Trained(boxes=("person",), masks=())])
def test_models_without_masks_write_none(artefact, people, tmp_path, trained):
    partly = replace(artefact, spec=replace(artefact.spec, trained=trained))
    mined = mine(MineOptions((people,), tmp_path / "out", 3), partly, PerceiverConfig())

    assert len(mined.picks) == 3 and not (tmp_path / "out" / "masks").exists()
    assert "disagree" not in {s.kind for pick in mined.picks for s in pick.signals}
    index = json.loads((tmp_path / "out" / "annotations.json").read_text())
    allowed = {partly.labels.id_of(name) for name in partly.spec.box_classes}
    assert {item["category_id"] for item in index["annotations"]} <= allowed


def test_people_are_pixelated_before_anything_is_written(run, artefact, people, capsys):
    status, out = run(people, "--count", 2, "--anonymise")
    perceiver = Perceiver(artefact, PerceiverConfig(anonymise=True))

    assert status == 0 and "pixelated in every picture: person" in capsys.readouterr().out
    assert report(out)["options"]["anonymise"] is True
    for row in report(out)["images"]:
        image = read_image(people / row["frame"])
        result = perceiver(image)
        assert result.people.any() and len(row["detections"]) == len(result.detections)
        written = read_image(out / "images" / row["file"])
        hidden = anonymised(image, result.people)
        changed = np.abs(hidden.astype(int) - image).max(2) > 40
        assert changed.any()
        # The rest is JPEG.
        assert np.abs(written.astype(int) - hidden).mean() < 3
        apart = np.abs(written.astype(int) - image).max(2)[changed]
        assert np.median(apart) > 30


def test_a_labelled_image_that_is_broken_is_told(run, people, artefact, tmp_path):
    _, labelled = run(people, "--count", 2)
    dataset = read_dataset(labelled, ReadOptions(artefact.labels))
    dataset.samples[0].image_path.write_bytes(b"no picture")
    options = MineOptions((people,), tmp_path / "other", 2)

    with pytest.raises(DatasetError, match=dataset.samples[0].image_path.name):
        mine(options, artefact, PerceiverConfig(), dataset.samples)
