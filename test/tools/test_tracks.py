"""tools/measuring/: HOTA, MOTA and IDF1 against values computed by hand and by the definition."""

import json
import sys

import numpy as np
import pytest

from mtv_perception.errors import MtvError
from mtv_perception.resources import SOURCE_ROOT
from mtv_perception.types import Detections

sys.path.insert(0, str(SOURCE_ROOT / "tools" / "measuring"))
import measure_clip
import tracks

NAMES = ("background", "rail", "person", "forklift")
STEP_NS = 100_000_000
ALPHAS = [k / 20 for k in range(1, 20)]
SIDE = 12.0


class Scripted:
    """A tracker that gives the ids it was told."""

    def __init__(self, ids):
        self.ids = iter(ids)

    def update(self, detections, stamp_ns):
        return np.array(next(self.ids), int)


def box(place, shift=0.0):
    """A square of its own place; shifted by `s` of 12 it overlaps the true one by (12-s)/(12+s)."""
    return [100.0 * place + shift, 0.0, 100.0 * place + shift + SIDE, SIDE]


def judged(frames):
    """Figures of frames: `(true, found)`, of `(place, name)` and `(place, shift, name, id)`."""
    images = []
    for k, (true, found) in enumerate(frames):
        boxes = np.array([box(place, shift) for place, shift, _, _ in found], np.float32)
        detections = Detections(
            boxes.reshape(-1, 4),
            np.ones(len(found), np.float32),
            np.array([NAMES.index(name) for _, _, name, _ in found], np.int32),
        )
        images.append(
            tracks.TrackedImage(
                k * STEP_NS,
                [place for place, _ in true],
                [name for _, name in true],
                np.array([box(place) for place, _ in true]).reshape(-1, 4),
                detections,
                [name for _, _, name, _ in found],
            )
        )
    tracker = Scripted([[track_id for *_, track_id in found] for _, found in frames])
    names = frozenset(("person", "forklift"))
    return tracks.figures(tracks.sequence_of(tracker, images, names))


def alone(ids, shift=0.0, name="person"):
    """One person who is always there, found with these ids; None where missed."""
    true = [(1, "person")]
    return [(true, [] if given is None else [(1, shift, name, given)]) for given in ids]


def two(first, second):
    """Two people who are always there, found with these ids."""
    true = [(1, "person"), (2, "person")]
    return [
        (true, [(1, 0.0, "person", a), (2, 0.0, "person", b)])
        for a, b in zip(first, second, strict=True)
    ]


def with_false_alarms(frames, count, track_id=99):
    """The same, and a second track where nobody is in the first frames."""
    more = [(true, [*found, (7, 0.0, "person", track_id)]) for true, found in frames[:count]]
    return more + frames[count:]


@pytest.fixture(autouse=True)
def trackeval():
    pytest.importorskip("trackeval")


@pytest.mark.parametrize(
    ("frames", "deta", "assa", "hota"),
    [
        pytest.param(alone([5, 5, 5, 5]), 1, 1, 1, id="perfect"),
        # Each id shares 2 of the person's 4 frames.
        pytest.param(alone([5, 5, 6, 6]), 1, 1 / 2, 0.7071, id="another id halfway"),
        # One true positive with 1 of 4 frames, three with 3 of 4: (1/4 + 3 * 3/4) / 4.
        pytest.param(alone([5, 6, 6, 6]), 1, 0.625, 0.7906, id="another id early"),
        pytest.param(alone([5, None, 5, 5]), 3 / 4, 3 / 4, 3 / 4, id="missed once"),
        pytest.param(alone([5, -1, 5, 5]), 3 / 4, 3 / 4, 3 / 4, id="once without an id"),
        pytest.param(with_false_alarms(alone([5] * 4), 2), 4 / 6, 1, 0.8165, id="nobody there"),
        # The false alarms belong to the same track: 4 shared, 0 missed, 2 elsewhere.
        pytest.param(
            [*alone([5] * 4), *[([], [(7, 0.0, "person", 5)])] * 2],
            2 / 3,
            2 / 3,
            2 / 3,
            id="goes on",
        ),
        # Two shared, two of the person and two of the track elsewhere.
        pytest.param(two([5, 5, 6, 6], [6, 6, 5, 5]), 1, 1 / 3, 0.5774, id="ids change places"),
        # IoU (12-s)/(12+s): 3/5 counts at 12 of 19 thresholds, 1/3 at 6, 5/7 at 14.
        pytest.param(alone([5] * 4, 3.0), 12 / 19, 12 / 19, 12 / 19, id="overlap 3/5"),
        pytest.param(alone([5] * 4, 6.0), 6 / 19, 6 / 19, 6 / 19, id="overlap 1/3"),
        pytest.param(alone([5] * 4, -2.0), 14 / 19, 14 / 19, 14 / 19, id="overlap 5/7"),
        pytest.param(alone([5, 5, 6, 6], 3.0), 12 / 19, 6 / 19, 0.4466, id="3/5, another id"),
        pytest.param(alone([5] * 4, name="forklift"), 0, 0, 0, id="another class"),
        pytest.param(alone([None] * 4), 0, 0, 0, id="nothing found"),
    ],
)
def test_hota_is_what_a_hand_computes(frames, deta, assa, hota):
    found = judged(frames)

    assert found["deta"] == pytest.approx(deta, abs=1e-4)
    assert found["assa"] == pytest.approx(assa, abs=1e-4)
    assert found["hota"] == pytest.approx(hota, abs=1e-4)


@pytest.mark.parametrize(
    ("frames", "mota", "idf1", "switches"),
    [
        pytest.param(alone([5] * 4), 1, 1, 0, id="perfect"),
        # IDF1: the person keeps the id of 2 frames, of 4 true and 4 found boxes.
        pytest.param(alone([5, 5, 6, 6]), 3 / 4, 2 * 2 / 8, 1, id="another id halfway"),
        pytest.param(alone([5, 6, 6, 6]), 3 / 4, 2 * 3 / 8, 1, id="another id early"),
        pytest.param(alone([5, None, 5, 5]), 3 / 4, 2 * 3 / 7, 0, id="missed once"),
        pytest.param(with_false_alarms(alone([5] * 4), 2), 2 / 4, 2 * 4 / 10, 0, id="nobody"),
        pytest.param(two([5, 5, 6, 6], [6, 6, 5, 5]), 6 / 8, 2 * 4 / 16, 2, id="places"),
        pytest.param(alone([5] * 4, shift=3.0), 1, 1, 0, id="overlap 3/5"),
        pytest.param(alone([5] * 4, shift=6.0), -1, 0, 0, id="overlap 1/3"),
        pytest.param(alone([5] * 4, name="forklift"), -1, 0, 0, id="another class"),
    ],
)
def test_mota_and_idf1_are_what_a_hand_computes(frames, mota, idf1, switches):
    found = judged(frames)

    assert found["mota"] == pytest.approx(mota, abs=1e-4)
    assert found["idf1"] == pytest.approx(idf1, abs=1e-4)
    assert found["num_switches"] == switches


def by_definition(frames):
    """HOTA, DetA and AssA from the paper's sums over true positives.

    Every object has a place of its own, so that nothing is to be chosen in matching.
    """
    rows = []
    for alpha in ALPHAS:
        pairs, true, given = [], [], []
        for objects, found in frames:
            true += [place for place, _ in objects]
            given += [track_id for *_, track_id in found]
            for place, shift, name, track_id in found:
                iou = (SIDE - abs(shift)) / (SIDE + abs(shift))
                if (place, name) in objects and iou >= alpha:
                    pairs.append((place, track_id))
        union = len(true) + len(given) - len(pairs)
        shares = []
        for place, track_id in pairs:
            both = pairs.count((place, track_id))
            shares.append(both / (true.count(place) + given.count(track_id) - both))
        deta, assa = len(pairs) / max(union, 1), sum(shares) / max(len(pairs), 1)
        rows.append((np.sqrt(deta * assa), deta, assa))
    return np.mean(rows, axis=0)


@pytest.mark.parametrize("seed", range(12))
def test_hota_follows_its_definition_on_random_tracks(seed):
    rng = np.random.default_rng(seed)
    kinds = {place: str(rng.choice(["person", "forklift"])) for place in range(5)}
    frames = []
    for _ in range(30):
        true = [(p, kind) for p, kind in kinds.items() if rng.random() < 0.7]
        found = []
        ids = rng.permutation(5) + 1 if rng.random() < 0.2 else np.arange(5) + 1
        for place, kind in kinds.items():
            if rng.random() < 0.8:
                name = kind if rng.random() < 0.9 else "person"
                found.append((place, float(rng.choice([0, 1, 2.5, 4.5])), name, int(ids[place])))
        frames.append((true, found))

    found = judged(frames)

    names = ("hota", "deta", "assa")
    assert [found[n] for n in names] == pytest.approx(list(by_definition(frames)), abs=1e-4)


def test_rails_are_not_judged():
    frames = [(true, [*found, (8, 0.0, "rail", 77)]) for true, found in alone([5] * 4)]

    assert judged(frames) == judged(alone([5] * 4))


def test_both_trackers_are_judged_on_the_same_detections():
    images = []
    for k in range(6):
        # Nobody is found in the third image.
        boxes = np.array([] if k == 2 else [box(1)], np.float32).reshape(-1, 4)
        count = len(boxes)
        detections = Detections(boxes, np.ones(count, np.float32), np.full(count, 2, np.int32))
        images.append(
            tracks.TrackedImage(
                k * STEP_NS, [1], ["person"], np.array([box(1)]), detections, ["person"] * count
            )
        )

    found = tracks.compare_trackers(images, ["person"])

    # Ours remembers the person. The plain one gives a new id: 2 and 3 of 6 frames.
    assert found["ours"]["deta"] == found["iou"]["deta"] == pytest.approx(5 / 6, abs=1e-4)
    assert found["ours"]["assa"] == pytest.approx(5 / 6, abs=1e-4)
    assert found["iou"]["assa"] == pytest.approx((2 * 2 / 6 + 3 * 3 / 6) / 5, abs=1e-4)


def test_rows_of_motchallenge_are_read_from_zero(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text(
        "1,9,11,21,30,70,1,-4.1,-7.3,0\n1,8,1,1,5,5,0,-1,-1,-1\n3,9,12,21,30,70,1,0,0,0\n"
    )

    truth = measure_clip.read_truth(path)

    assert sorted(truth) == [0, 2]
    assert [track_id for track_id, _ in truth[0]] == [9]
    assert truth[0][0][1].tolist() == [10, 20, 40, 90]


def test_a_row_of_another_format_is_named(tmp_path):
    path = tmp_path / "gt.txt"
    path.write_text("1,9,11,21,30,70,1\n1 9 11 21 30 70 1\n")

    with pytest.raises(MtvError, match=r"gt\.txt, line 2: expected at least 7 columns .* found 1"):
        measure_clip.read_truth(path)


def test_a_clip_is_measured_against_its_truth(tmp_path, capsys):
    """The truth is what the model itself finds, but for one frame."""
    from mtv_perception.replay.inputs import read_frames
    from mtv_perception.runtime import Perceiver, load_artefact
    from mtv_perception.runtime.models import find_model
    from mtv_perception.visual.video import VideoWriter

    clip, truth = tmp_path / "clip.mp4", tmp_path / "gt.txt"
    with VideoWriter(clip, 10.0, quality=10) as writer:
        for k, frame in enumerate(read_frames(SOURCE_ROOT / "docs" / "media" / "people.mp4")):
            if k == 4:
                break
            writer.write(frame.image_rgb)
    perceiver = Perceiver(load_artefact(find_model("warehouse")))
    person = perceiver.spec.labels.id_of("person")
    count, lines = 0, []
    for k, frame in enumerate(read_frames(clip)):
        found = perceiver(frame.image_rgb).detections
        for j in np.flatnonzero((found.class_ids == person) & (found.scores >= 0.5)):
            x0, y0, x1, y1 = found.boxes_xyxy[j]
            count += k < 3
            if k < 3:
                lines.append(f"{k + 1},{j + 1},{x0 + 1},{y0 + 1},{x1 - x0},{y1 - y0},1,0,0,0")
    truth.write_text("\n".join(lines) + "\n")

    measure_clip.main([str(clip), "--truth", str(truth), "--json", str(tmp_path / "out.json")])

    report = json.loads((tmp_path / "out.json").read_text())
    assert report["images"] == 4 and json.loads(capsys.readouterr().out) == report
    assert report["tracks"]["ours"]["num_objects"] == count > 0
    for figures in report["tracks"].values():
        assert 0.5 < figures["deta"] < 1.0
