import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtv_perception.bags.writer import BagWriter
from mtv_perception.compare import report
from mtv_perception.compare import runs as runs_module
from mtv_perception.compare.compare import Tolerances, compare_runs, match, paired_masks
from mtv_perception.compare.golden import (
    GoldenRun,
    _coded,
    read_golden,
    read_run,
    shrink_mask,
    write_golden,
)
from mtv_perception.compare.report import write_comparison
from mtv_perception.compare.runs import FrameKey, FrameKeys, RunFrame, open_run, with_labels
from mtv_perception.errors import ReplayError
from mtv_perception.labels import LabelSet
from mtv_perception.messages.typestore import builder
from mtv_perception.replay.replay import ReplayOptions, replay
from mtv_perception.types import Detections


def some(boxes, scores=None, ids=None):
    return Detections(
        np.asarray(boxes, np.float32).reshape(-1, 4),
        np.asarray(scores or [0.9] * len(boxes), np.float32),
        np.asarray(ids or [2] * len(boxes), np.int32),
    )


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        ([], [], []),
        ([[0, 0, 4, 4]], [], []),
        ([[0, 0, 4, 4]], [[0, 0, 4, 4]], [(0, 0)]),
        ([[0, 0, 4, 4]], [[2, 0, 6, 4]], []),
        ([[0, 0, 10, 10], [1, 0, 11, 10]], [[1, 0, 11, 10]], [(1, 0)]),
    ],
)
def test_boxes_match_one_to_one_by_overlap(a, b, pairs):
    assert [(row, column) for row, column, _ in match(some(a), some(b), 0.5)] == pairs


def test_other_classes_do_not_match():
    box = [[0, 0, 4, 4]]
    assert match(some(box, ids=[2]), some(box, ids=[3]), 0.5) == []


@pytest.fixture
def runs(tmp_path, write_bag, red_finder):
    def make(name, finder=None, bag=None, **options):
        bag = bag or write_bag(f"{name}_in", frames=10)
        replay(bag, tmp_path / name, finder or red_finder(), ReplayOptions(**options))
        return open_run(tmp_path / name)

    return make


def test_equal_runs_are_within_any_tolerance(runs):
    comparison = compare_runs(runs("a"), runs("b"))
    strict = Tolerances(unmatched=0.0, box_iou=1.0, score_drift=0.0, mask_iou=1.0)
    assert comparison.verdict(strict) == []
    assert comparison.figures["matched"] == 10
    assert comparison.by_class["person"]["mask_iou"] == 1.0
    assert comparison.worst(5) == []


def test_what_changed_is_named(runs, red_finder, write_bag):
    bag = write_bag("gaps", frames=10, visible=lambda index: index != 4)
    other = runs("b", red_finder(score=0.7, shift=2), bag)
    comparison = compare_runs(runs("a"), other)
    assert comparison.by_class["person"]["vanished"] == 1
    assert comparison.figures["score_shift"] == pytest.approx(-0.2)
    assert comparison.figures["box_iou"] == pytest.approx(10 / 14)
    assert comparison.by_class["person"]["mask_iou"] == pytest.approx(0.9)
    names = [
        line.split(":")[0] for line in comparison.verdict(Tolerances(unmatched=0.01, mask_iou=0.95))
    ]
    assert names == [
        "unmatched",
        "box_iou",
        "score_drift",
        "vanished of person",
        "mask_iou of person",
    ]
    assert comparison.worst(1)[0].vanished == (0,)


def run_of(frames, labels):
    """A run without masks whose frames have boxes side by side: class ids by frame."""
    keys, content = FrameKeys(), {}
    for index, ids in enumerate(frames):
        boxes = [[20 * place, 0, 20 * place + 10, 10] for place, _ in enumerate(ids) if ids[place]]
        found = some(boxes, ids=[item for item in ids if item])
        content[keys("", index // 2)] = RunFrame(found)
    return GoldenRun(Path("run"), "", labels, content, {})


@pytest.mark.parametrize(
    ("label", "vanished", "appeared", "said"),
    [
        (2, 0, 0, []),
        (2, 1, 0, []),
        (2, 2, 0, ["vanished of person"]),
        (2, 10, 0, ["vanished of person"]),
        (2, 0, 5, []),
        (2, 0, 12, ["appeared of person"]),
        (2, 4, 12, ["vanished of person", "appeared of person"]),
        (1, 9, 0, []),
        (1, 20, 0, ["unmatched", "vanished of forklift"]),
        (1, 0, 20, ["appeared of forklift"]),
    ],
)
def test_what_vanished_and_what_appeared_are_judged_apart_and_by_class(
    label, vanished, appeared, said
):
    """100 objects in A; stamps stand still for two frames each, which loses none of them."""
    labels = LabelSet(("background", "forklift", "person"))
    before = run_of([[label]] * 100 + [[0]] * appeared, labels)
    after = run_of([[0]] * vanished + [[label]] * (100 - vanished) + [[label]] * appeared, labels)
    comparison = compare_runs(before, after)
    assert len(comparison.frames) == 100 + appeared
    assert comparison.figures["vanished"] == vanished
    assert comparison.figures["appeared"] == appeared
    assert [line.split(":")[0] for line in comparison.verdict(Tolerances())] == said


@pytest.mark.parametrize("step", [0, 1])
def test_frames_whose_stamps_stand_still_are_all_compared(tmp_path, write_bag, red_finder, step):
    bag = write_bag("in", frames=4, stamp=lambda index: index * step * 10**8)
    for name in ("a", "b"):
        replay(bag, tmp_path / name, red_finder(), ReplayOptions(extras=()))
    write_golden(open_run(tmp_path / "a"), tmp_path / "golden.jsonl")
    for first in (open_run(tmp_path / "a"), read_golden(tmp_path / "golden.jsonl")):
        comparison = compare_runs(first, open_run(tmp_path / "b"))
        assert len(comparison.frames) == 4 and comparison.figures["matched"] == 4
        assert comparison.by_class["person"]["mask_iou"] == 1.0


def test_another_round_of_a_loop_is_the_same_frames():
    keys = FrameKeys()
    rounds = [[keys("", stamp) for stamp in (1, 2, 2, 3)] for _ in range(3)]
    assert rounds[0] == rounds[1] == rounds[2] and len(set(rounds[0])) == 4
    assert keys("front", 3).repeat == 0 and keys("", 3).repeat == 1


def test_of_a_recorded_loop_the_first_round_counts(runs, write_bag):
    """Both its boxes and its masks; the next one is no mask that the other run lacks."""
    stamps = {"stamp": lambda index: index % 4 * 10**8, "visible": lambda index: index < 4}
    once = runs("once", bag=write_bag("once_in", frames=4, **stamps))
    looped = runs("looped", bag=write_bag("looped_in", frames=8, **stamps))
    bare = replace(read_run_of(once), small_masks={})

    assert len(list(looped.masks())) == 4
    for pair in ((once, looped), (looped, once)):
        comparison = compare_runs(*pair)
        assert (comparison.figures["matched"], comparison.figures["missing_masks"]) == (4, 0)
        assert comparison.by_class["person"]["mask_iou"] == 1.0
    assert compare_runs(bare, looped).figures["missing_masks"] == 1


def test_missing_frames_count(runs, write_bag):
    comparison = compare_runs(runs("a"), runs("b", bag=write_bag("short", frames=8)))
    assert (comparison.only_a, comparison.only_b) == (2, 0)
    assert comparison.verdict(Tolerances())[0].startswith("missing_frames")
    assert comparison.verdict(Tolerances(missing_frames=0.2)) == []


def test_class_ids_may_be_names(runs):
    assert compare_runs(runs("a"), runs("b", class_id_as="name")).figures["matched"] == 10


def test_runs_of_other_times_are_refused(runs, tmp_path, red_finder, draw):
    import cv2

    folder = tmp_path / "images"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), draw(0))
    replay(folder, tmp_path / "files", red_finder())
    with pytest.raises(ReplayError, match="same stamps"):
        compare_runs(runs("a"), open_run(tmp_path / "files"))


@pytest.mark.parametrize(
    ("classes", "ids", "matched", "said"),
    [
        (("forklift", "person"), [1, 2], 2, []),
        (("person", "forklift"), [2, 1], 2, ["classes"]),
        (("pallet", "person", "forklift"), [3, 2], 2, ["classes"]),
        (("person",), [0, 1], 1, ["classes", "vanished of forklift"]),
        (
            ("pallet", "person"),
            [1, 2],
            1,
            ["classes", "vanished of forklift", "appeared of pallet"],
        ),
    ],
)
def test_classes_belong_together_by_name(classes, ids, matched, said):
    """A forklift and a person beside each other; what B calls them, and whether it knows both."""
    before = run_of([[1, 2]], LabelSet(("background", "forklift", "person")))
    after = run_of([ids], LabelSet(("background", *classes)))
    comparison = compare_runs(before, after)
    lines = [line.split(":")[0] for line in comparison.verdict(Tolerances())]

    assert [line for line in lines if line != "unmatched"] == said
    assert comparison.figures["matched"] == matched
    assert comparison.to_json(Tolerances())["classes"]["b"] == list(classes)
    assert list(comparison.by_class)[:3] == ["background", "forklift", "person"]


def test_masks_of_another_numbering_are_the_same_masks(runs, tmp_path):
    run = runs("a")
    write_golden(run, tmp_path / "golden.jsonl")
    golden = read_golden(tmp_path / "golden.jsonl")
    names = tuple(reversed(run.labels.foreground))
    other = with_labels(golden, LabelSet(("nothing", *names)))
    comparison = compare_runs(golden, other)

    assert [line.split(":")[0] for line in comparison.verdict(Tolerances())] == ["classes"]
    assert comparison.figures["mask_agreement"] == 1.0
    assert comparison.by_class["person"]["mask_iou"] == 1.0


def test_a_golden_file_with_unknown_class_ids_is_refused(runs, tmp_path):
    path = tmp_path / "golden.jsonl"
    write_golden(runs("a"), path)
    head, *lines = path.read_text().splitlines()
    wrong = json.loads(lines[0])
    wrong["objects"] = [[4, 0.9, 1, 1, 5, 5]]
    path.write_text("\n".join([head, json.dumps(wrong)]) + "\n")
    with pytest.raises(ReplayError, match="expected class ids of 0 to 3"):
        read_golden(path)


@pytest.mark.parametrize("kept", [-1, -3])
def test_a_golden_file_cut_at_a_line_end_is_refused(runs, tmp_path, kept):
    path = tmp_path / "golden.jsonl"
    write_golden(runs("a"), path)
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *lines[:kept]]) + "\n")
    with pytest.raises(ReplayError, match=rf"{len(lines)} frames by its head, got"):
        read_golden(path)
    older = {key: value for key, value in json.loads(head).items() if key != "frames"}
    path.write_text("\n".join([json.dumps(older), *lines]) + "\n")
    assert len(read_golden(path).frames) == len(lines)


@pytest.mark.parametrize("mask", ["AAAA", "%%%", "iVBORw0KGgo", 7])
def test_a_damaged_mask_of_a_golden_file_is_named(runs, tmp_path, mask):
    path = tmp_path / "golden.jsonl"
    run = runs("a")
    write_golden(run, path)
    head, first, *lines = path.read_text().splitlines()
    damaged = json.loads(first) | {"mask": mask}
    path.write_text("\n".join([head, json.dumps(damaged), *lines]) + "\n")
    with pytest.raises(ReplayError, match=r"golden\.jsonl: stamp_ns \d+: expected a mask"):
        compare_runs(read_golden(path), run)


def test_a_golden_file_stands_for_its_run(runs, tmp_path):
    run = runs("a")
    write_golden(run, tmp_path / "golden.jsonl")
    golden = read_run(tmp_path / "golden.jsonl")
    assert golden.model_id == run.model_id
    comparison = compare_runs(golden, run)
    assert comparison.verdict(Tolerances(box_iou=0.99, score_drift=0.001, mask_iou=0.999)) == []
    assert comparison.by_class["person"]["mask_iou"] == 1.0


def test_other_files_are_no_golden_runs(tmp_path):
    (tmp_path / "x.json").write_text('{"format": "other"}\n')
    with pytest.raises(ReplayError, match="expected format"):
        read_golden(tmp_path / "x.json")


def test_a_bag_without_detections_is_no_run(write_bag):
    with pytest.raises(ReplayError, match=r"\.\.\./detections"):
        open_run(write_bag())


@pytest.mark.parametrize("extras", [(), ("input",)])
def test_the_report_shows_the_worst_frames(runs, tmp_path, red_finder, extras, write_bag):
    bag = write_bag("gaps", frames=10, visible=lambda index: index not in (4, 5))
    comparison = compare_runs(
        runs("a", extras=extras), runs("b", red_finder(shift=1), bag, extras=extras)
    )
    write_comparison(
        tmp_path / "r" / "report.html", comparison, Tolerances(unmatched=0.01), worst=3
    )
    text = (tmp_path / "r" / "report.html").read_text()
    assert text.count("<figure>") == 3 and text.count("data:image/jpeg") == 6
    assert "1 vanished" in text and "Out of tolerance" in text


class Masks:
    """A run of masks of one pixel, which tells its frame."""

    def __init__(self, count, without=(), bare=()):
        self.frames = {FrameKey("", i, 0): None for i in range(count) if i not in without}
        self._bare = bare

    def masks(self):
        for key in self.frames:
            if key.stamp_ns not in self._bare:
                yield key, np.full((1, 1), key.stamp_ns % 251, np.uint8)


@pytest.mark.parametrize("gaps", [{}, {0}, {500}, set(range(300)), set(range(0, 900, 3)), {899}])
@pytest.mark.parametrize("missing", ["frames", "masks"])
@pytest.mark.parametrize("side", ["a", "b", "both"])
def test_every_pair_of_masks_is_compared_whatever_else_is_missing(gaps, missing, side):
    lack = {"without": gaps} if missing == "frames" else {"bare": gaps}
    others = {"without": {i + 1 for i in gaps}} if side == "both" else {}
    run_a = Masks(900, **(lack if side in ("a", "both") else {}))
    run_b = Masks(900, **(others if side == "both" else lack if side == "b" else {}))
    expected = [i for i in range(900) if i not in gaps and not (side == "both" and i - 1 in gaps)]

    pairs = list(paired_masks(run_a, run_b))

    assert [key.stamp_ns for key, _, _ in pairs] == expected
    assert all((a == b).all() for _, a, b in pairs)


@pytest.mark.parametrize(
    ("topic", "cameras", "camera"),
    [
        ("/front/image_raw", ("front", "front_left"), "front"),
        ("/front_left/image_raw", ("front", "front_left"), "front_left"),
        ("/front_left/image_raw", ("front_left", "front"), "front_left"),
        ("/image_raw", ("", "front"), ""),
        ("/front/image_raw", ("", "front"), "front"),
        ("/camera/image_raw", ("",), ""),
        ("front", ("front",), "front"),
        ("/front_camera/image_raw", ("front", "rear"), "front"),
        ("/robot/front/image_raw", ("robot", "robot/front"), "robot/front"),
        ("/front_left_camera/image", ("front", "front_left"), ""),
    ],
)
def test_pictures_are_of_their_own_camera(topic, cameras, camera):
    assert report._camera_of(topic, cameras) == camera


@pytest.mark.parametrize(
    ("names", "said", "class_id"),
    [
        (("2", "1"), "2", 1),
        (("2", "1"), "1", 2),
        (("7", "8"), "7", 1),
        (("7", "8"), "1", None),
        (("rail", "person"), "2", 2),
        (("rail", "person"), "person", 2),
        (("rail", "person"), "3", None),
    ],
)
def test_names_of_classes_win_over_numbers(names, said, class_id):
    labels = LabelSet(("background", *names))
    if class_id is None:
        with pytest.raises(ValueError, match="Expected a class of"):
            runs_module._class_id(said, labels)
    else:
        assert runs_module._class_id(said, labels) == class_id


@pytest.mark.parametrize("class_id_as", ["id", "name"])
def test_a_replay_of_classes_named_by_digits_reads_back(runs, red_finder, class_id_as):
    labels = LabelSet(("background", "2", "1"))
    finder = red_finder()
    finder.spec = replace(finder.spec, classes=labels.names)
    run = runs("digits", finder, class_id_as=class_id_as)

    assert run.labels == labels
    ids = {int(i) for frame in run.frames.values() for i in frame.detections.class_ids}
    assert ids == {2}


@pytest.mark.parametrize(("kept", "share"), [(0, 1.0), (1, 0.9), (10, 0.0)])
def test_a_run_that_lost_its_masks_is_out_of_tolerance(runs, kept, share):
    whole = read_run_of(runs("a"))
    lost = replace(whole, small_masks=dict(list(whole.small_masks.items())[:kept]))

    for comparison in (compare_runs(whole, lost), compare_runs(lost, whole)):
        assert comparison.figures["missing_masks"] == pytest.approx(share)
        assert [line.split(":")[0] for line in comparison.verdict(Tolerances())] == (
            ["missing_masks"] if share else []
        )
        assert comparison.verdict(Tolerances(missing_masks=1.0)) == []


def read_run_of(run):
    """The run as a golden one, whose masks can be taken away."""
    masks = {key: _coded(shrink_mask(mask)) for key, mask in run.masks()}
    return GoldenRun(run.path, run.model_id, run.labels, run.frames, masks)


def test_a_run_of_two_models_is_refused(tmp_path):
    """The first frames would be read by the classes of the last ones."""
    build = builder()
    found = Detections(
        np.array([[2, 3, 20, 30]], np.float32), np.ones(1, np.float32), np.array([1])
    )
    with BagWriter(tmp_path / "run") as bag:
        for index, names in enumerate((("rail", "person"), ("rail", "person"), ("person", "rail"))):
            labels, header = LabelSet(("background", *names)), build.header(index * 10**8, "camera")
            bag.write(
                "/label_info",
                "vision_msgs/msg/LabelInfo",
                index,
                build.label_info(labels, 0.5, header),
            )
            message = build.detection_array(found, labels, header)
            bag.write("/detections", "vision_msgs/msg/Detection2DArray", index, message)

    with pytest.raises(ReplayError, match="expected one model, got classes .*'rail', 'person'"):
        open_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"latency_ratio": 1.2}, ["latency_ratio"]),
        ({"strict_classes": ("persn",)}, ["strict_classes"]),
        ({"strict_classes": ("person", "rail")}, []),
    ],
)
def test_a_limit_that_can_not_be_judged_is_broken(runs, limits, said):
    """As of a golden file, which holds no durations."""
    first, second = runs("a"), runs("b")
    bare = replace(
        first, frames={key: replace(f, work_ms=float("nan")) for key, f in first.frames.items()}
    )
    comparison = compare_runs(bare, second)
    lines = comparison.verdict(Tolerances(**limits))
    assert [line.split(":")[0] for line in lines] == said


def test_a_run_that_was_interrupted_is_damaged(runs, tmp_path):
    assert runs("a").damage == ""
    state = tmp_path / "a" / "replay.yaml"
    state.write_text(state.read_text().replace("state: done", "state: running"))
    assert "its replay was interrupted" in open_run(tmp_path / "a").damage
    with pytest.raises(ReplayError, match="expected a whole run for a golden file"):
        write_golden(open_run(tmp_path / "a"), tmp_path / "golden.jsonl")
    assert not (tmp_path / "golden.jsonl").exists()


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ([1, 7, 1, 2, 3, 4], "scores of 0 to 1"),
        ([1, float("nan"), 1, 2, 3, 4], "scores of 0 to 1"),
        ([1.5, 0.5, 1, 2, 3, 4], "class ids of 0 to"),
        ([1, 0.5, 1, float("nan"), 3, 4], "boxes x0, y0, x1, y1"),
        ([1, 0.5, 9, 2, 3, 4], "boxes x0, y0, x1, y1"),
    ],
)
def test_a_golden_file_with_impossible_numbers_is_refused(runs, tmp_path, row, why):
    path = tmp_path / "golden.jsonl"
    write_golden(runs("a"), path)
    head, first, *rest = map(json.loads, path.read_text().splitlines())
    first["objects"] = [row]
    path.write_text("\n".join(map(json.dumps, [head, first, *rest])) + "\n")
    with pytest.raises(ReplayError, match=f"golden.jsonl.*{why}.*--golden` writes it again"):
        read_golden(path)


def test_a_golden_file_with_another_stamp_or_nothing_is_refused(runs, tmp_path):
    path = tmp_path / "golden.jsonl"
    write_golden(runs("a"), path)
    text = path.read_text()
    path.write_text("\ufeff" + text, encoding="utf-8")
    assert read_golden(path).frames
    path.write_text(text.replace('"stamp_ns":', '"stamp_ns":0.5e', 1).replace("0.5e", "0.5e1", 1))
    with pytest.raises(ReplayError, match="stamp_ns as a whole number"):
        read_golden(path)
    path.write_text("\n")
    with pytest.raises(ReplayError, match="it is empty"):
        read_golden(path)
