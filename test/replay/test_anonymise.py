"""What `mtv replay` and `mtv predict` write of people, whatever the source and the output."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="needs rosbags")

from mtv_perception.errors import ReplayError
from mtv_perception.media.frame import Frame
from mtv_perception.replay.inputs import InputFrame
from mtv_perception.replay.predictions import Predictions
from mtv_perception.replay.replay import ReplayOptions, replay
from mtv_perception.replay.results import EXTRAS
from mtv_perception.replay.resume import read_state
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.visual.anonymise import has_mark

MASKS = ("/segmentation/mask", "/segmentation/confidence", "/segmentation/color")
ALL = ReplayOptions(extras=EXTRAS)
SIZE_HW = (96, 128)
PERSON = (slice(20, 68), slice(40, 88))
FRAMES = 4


def portrait(index):
    """A person: red, with a pattern in blue that nobody else has."""
    image = np.full((*SIZE_HW, 3), 90, np.uint8)
    image[PERSON] = (255, 0, 0)
    pattern = np.random.default_rng(index).integers(0, 2, (8, 8)) * 255
    image[PERSON][..., 2] = np.kron(pattern, np.ones((6, 6)))
    return image


def fine(picture_rgb):
    """What a picture of the person shows that blocks of 12 pixels hide, blue, `(N,)`."""
    halves = picture_rgb[PERSON][..., 2].astype(float).reshape(4, 2, 6, 4, 2, 6).mean((2, 5))
    return (halves - halves.mean((1, 3), keepdims=True)).ravel()


def pattern_left(picture_rgb, index):
    """How much of the person's pattern a picture shows: 1 all of it, 0 nothing."""
    expected = fine(portrait(index))
    return float(fine(picture_rgb) @ expected / (expected @ expected))


@pytest.fixture
def hiding(red_finder):
    """A perceiver that also says where people may be; `blind` at some calls."""

    class Hiding(red_finder):
        def __init__(self, blind=(), anonymise=True):
            super().__init__()
            self.config, self._blind = PerceiverConfig(anonymise=anonymise), blind

        def __call__(self, image_rgb):
            found = super().__call__(image_rgb)
            if not self.config.anonymise or self.calls - 1 in self._blind:
                return found
            return replace(found, people=found.segmentation.class_ids == 2)

    return Hiding


def pictures(messages):
    """Every picture in a bag, by topic and number, with the message."""
    numbers = {}
    for topic, _, message in messages:
        if topic in MASKS or not hasattr(message, "header") or not hasattr(message, "data"):
            continue
        numbers[topic] = numbers.get(topic, -1) + 1
        if hasattr(message, "encoding"):
            image = message.data.reshape(message.height, message.width, 3)
            image = image[..., ::-1] if message.encoding == "bgr8" else image
        else:
            image = cv2.imdecode(message.data, cv2.IMREAD_COLOR)[..., ::-1]
        yield topic, numbers[topic], image, message


@pytest.fixture(params=["raw", "compressed", "folder", "video"])
def source(request, tmp_path, write_bag):
    """The same person in every kind of source."""
    if request.param in ("raw", "compressed"):
        topic = "/image" + ("/compressed" if request.param == "compressed" else "")
        return write_bag(frames=FRAMES, topics={topic: request.param}, pixels=portrait)
    if request.param == "folder":
        (tmp_path / "in").mkdir()
        for index in range(FRAMES):
            cv2.imwrite(str(tmp_path / "in" / f"{index}.png"), portrait(index)[..., ::-1])
        return tmp_path / "in"
    path = tmp_path / "in.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 10, SIZE_HW[::-1])
    for index in range(FRAMES):
        writer.write(portrait(index)[..., ::-1])
    writer.release()
    return path


def test_the_pattern_is_seen_where_nobody_is_hidden(tmp_path, source, hiding, contents):
    replay(source, tmp_path / "out", hiding(anonymise=False), ALL)

    seen = list(pictures(contents(tmp_path / "out")))
    assert {topic for topic, *_ in seen} >= {"/overlay/compressed"} and len(seen) == 2 * FRAMES
    for topic, index, image, message in seen:
        assert pattern_left(image, index) > 0.3, topic
        assert hasattr(message, "encoding") or not has_mark(bytes(message.data))


def test_no_picture_in_a_bag_shows_people(tmp_path, source, hiding, contents):
    report = replay(source, tmp_path / "out", hiding(), ALL)

    seen = list(pictures(contents(tmp_path / "out")))
    assert len(seen) == 2 * FRAMES
    for topic, index, image, message in seen:
        assert abs(pattern_left(image, index)) < 0.1, topic
        assert hasattr(message, "encoding") or has_mark(bytes(message.data)), topic
    assert report.detections == FRAMES
    assert "mtv_anonymised: person" in (tmp_path / "out" / "metadata.yaml").read_text("utf-8")


def test_a_frame_of_which_nothing_is_known_is_pixelated_wholly(tmp_path, source, hiding, contents):
    options = ReplayOptions(extras=("input",))
    replay(source, tmp_path / "out", hiding(blind=(1,)), options)

    images = [image for _, _, image, _ in pictures(contents(tmp_path / "out"))]
    assert len(images) == FRAMES
    assert len(np.unique(np.asarray(images[1]) // 8, axis=None)) < 40
    assert abs(pattern_left(images[1], 1)) < 0.1
    assert np.abs(images[0][76:].astype(int) - 90).max() < 30  # Elsewhere the others stay.


@pytest.mark.parametrize("form", ["raw", "compressed"])
def test_images_that_cannot_be_decoded_are_not_copied(tmp_path, write_bag, hiding, contents, form):
    def broken(index):
        return portrait(index) if index != 1 else np.zeros((0, 64, 3), np.uint8)

    if form == "compressed":
        pytest.importorskip("cv2")
        bag = write_bag(frames=FRAMES, topics={"/c/compressed": form}, pixels=portrait)
        file = next(bag.glob("*.mcap"))
        data = bytearray(file.read_bytes())
        at = data.find(b"\x89PNG", data.find(b"\x89PNG") + 8)
        data[at : at + 4] = b"gone"
        file.write_bytes(data)
    else:
        bag = write_bag(frames=FRAMES, topics={"/c": form}, pixels=broken)

    report = replay(bag, tmp_path / "out", hiding(), ALL)

    assert (report.frames, report.failed) == (FRAMES - 1, 1)
    assert len(list(pictures(contents(tmp_path / "out")))) == 2 * (FRAMES - 1)


@pytest.mark.parametrize("before", [False, True])
def test_a_bag_is_not_continued_with_another_privacy(tmp_path, write_bag, hiding, before):
    bag = write_bag(frames=30, pixels=portrait)
    options = ReplayOptions(extras=("input",), resume=True)

    class Stop(Exception):
        pass

    def stop(done, total):
        if done == 20:
            raise Stop

    with pytest.raises(Stop):
        replay(bag, tmp_path / "out", hiding(anonymise=before), options, stop)
    assert read_state(tmp_path / "out")["state"] == "running"
    with pytest.raises(ReplayError, match="expected a replay with perceiver"):
        replay(bag, tmp_path / "out", hiding(anonymise=not before), options)


@pytest.mark.parametrize("video", [False, True])
@pytest.mark.parametrize("anonymise", [False, True])
def test_predictions_show_no_people(tmp_path, hiding, video, anonymise):
    perceiver = hiding(anonymise=anonymise)
    out = tmp_path / "out"
    with Predictions(out, perceiver.spec.labels, ("yolo", "coco"), None, anonymise) as writer:
        if video:
            writer.begin_video(tmp_path / "clip.avi", 10.0)
        for index in range(FRAMES):
            image = portrait(index)
            frame = Frame(image, index, "", f"{index}.png")
            item = InputFrame("", "/image/compressed", "", index, lambda: None, lambda: 0)
            writer.write(tmp_path / "clip.avi", item, frame, perceiver(image))

    if video:
        capture = cv2.VideoCapture(str(next(out.glob("*.webm"))))
        images = [capture.read()[1][..., ::-1] for _ in range(FRAMES)]
    else:
        images = [cv2.imread(str(out / "overlays" / f"{i}.jpg"))[..., ::-1] for i in range(FRAMES)]
    left = [abs(pattern_left(image, index)) for index, image in enumerate(images)]
    assert max(left) < 0.1 if anonymise else min(left) > 0.3
    assert (out / "results.jsonl").read_text("utf-8").count('"person"') >= FRAMES
