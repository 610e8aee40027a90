"""For all tests: images and bags made on the spot, and a perceiver that finds what is red: a person
is a red box.
"""

import fcntl
import os
import tempfile
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtv_perception.errors import ArtefactError
from mtv_perception.runtime.artefact import ModelSpec
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.types import Detections, Result, Segmentation, Timing

SIZE_HW = (48, 64)
PERIOD_NS = 100_000_000
BEGIN_NS = 1_700_000_000_000_000_000
DEFAULT_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
# Folders of files that compute for long, the longest first.
_COMPUTING = ("training", "fit", "export", "docs", "zones", "network")


def pytest_collection_modifyitems(items):
    """Begin with files that compute for long and files that wait for nodes, in turns.

    So that of several workers some compute while others wait. Short files fill the end.
    """
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    here = Path(__file__).parent
    rooms = {p: p.relative_to(here).parts[0] if p.is_relative_to(here) else "" for p in files}
    waiting = [path for path, room in rooms.items() if room == "ros"]
    computing = sorted(
        (path for path, room in rooms.items() if room in _COMPUTING),
        key=lambda path: _COMPUTING.index(rooms[path]),
    )
    turns = [path for pair in zip_longest(computing, waiting) for path in pair if path]
    rest = [path for path in files if path not in set(turns)]
    items[:] = [item for path in turns + rest for item in files[path]]


@pytest.fixture
def write_image():
    """Write a grey image of a size (or an array), with its folder."""

    def write(path, content=(40, 60)):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = content if isinstance(content, np.ndarray) else np.full((*content, 3), 90, np.uint8)
        assert cv2.imwrite(str(path), image)
        return path

    return write


@pytest.fixture
def write_mask(write_image):
    """Write a mask of one value, or an array."""

    def write(path, content=0, size_hw=(40, 60)):
        mask = content if isinstance(content, np.ndarray) else np.full(size_hw, content, np.uint8)
        return write_image(path, mask)

    return write


@pytest.fixture
def real_data():
    """The folder of real images that $MTV_DATA names."""
    folder = Path(os.environ.get("MTV_DATA", DEFAULT_DATA))
    if not (folder / "coco_person").is_dir():
        pytest.skip(f"no real images in {folder} (set MTV_DATA)")
    return folder


class RedFinder:
    """Stands for the network: every pixel that is pure red is a person."""

    def __init__(self, score=0.9, shift=0):
        self.spec, self.config = ModelSpec("red"), PerceiverConfig()
        self.lowest_threshold = 0.3
        self.score, self.shift, self.calls = score, shift, 0

    def __call__(self, image_rgb):
        self.calls += 1
        red = (image_rgb[..., 0] > 200) & (image_rgb[..., 1] < 50)
        mask = np.where(red, 2, 0).astype(np.uint8)
        ys, xs = np.nonzero(red)
        found = Detections()
        if len(xs):
            box = [xs.min() + self.shift, ys.min(), xs.max() + 1 + self.shift, ys.max() + 1]
            found = Detections(
                np.array([box], np.float32),
                np.array([self.score], np.float32),
                np.array([2], np.int32),
            )
        size_hw = (image_rgb.shape[0], image_rgb.shape[1])
        return Result(
            found, Segmentation(mask, np.full_like(mask, 200)), size_hw, Timing(1.0, 2.0, 3.0)
        )


@pytest.fixture
def red_finder():
    return RedFinder


def scene(index, visible=True, size_hw=SIZE_HW):
    """A red box that walks right, a pixel a frame."""
    image = np.full((*size_hw, 3), 90, np.uint8)
    image[..., 2] = index % 256
    if visible:
        x = 4 + index % (size_hw[1] - 20)
        image[10:30, x : x + 12] = (255, 0, 0)
    return image


@pytest.fixture
def draw():
    return scene


@pytest.fixture
def write_bag(tmp_path):
    """Writes a bag of scenes; returns its folder.

    `topics` maps a topic to "raw" or "compressed"; `visible` says in which frames the box is there;
    `pixels` draws other images; `stamp` gives the headers' stamps.
    """
    rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="needs rosbags")
    from mtv_perception.bags.reader import COMPRESSED, RAW
    from mtv_perception.messages.typestore import builder, typestore

    def write(
        name="in",
        frames=6,
        topics=None,
        storage=rosbag2.StoragePlugin.MCAP,
        compression=rosbag2.CompressionMode.NONE,
        visible=lambda index: True,
        pixels=None,
        truth=None,
        stamp=lambda index: BEGIN_NS + index * PERIOD_NS,
    ):
        folder, build, store = tmp_path / name, builder(), typestore()
        topics = topics or {"/image": "raw"}
        writer = rosbag2.Writer(folder, version=9, storage_plugin=storage)
        writer.set_compression(compression, rosbag2.CompressionFormat.ZSTD)
        with writer:
            kinds = {"raw": RAW, "compressed": COMPRESSED}
            connections = {
                topic: writer.add_connection(topic, kinds[form], typestore=store)
                for topic, form in topics.items()
            }
            kind = "vision_msgs/msg/Detection2DArray"
            if truth:
                connections["/truth/detections"] = writer.add_connection(
                    "/truth/detections", kind, typestore=store
                )
            for index in range(frames):
                stamped, logged = stamp(index), BEGIN_NS + index * PERIOD_NS
                image = (
                    (pixels or scene)(index, visible(index)) if pixels is None else pixels(index)
                )
                for topic, form in topics.items():
                    header = build.header(stamped, f"frame_of{topic}")
                    if form == "raw":
                        message = build.image(image[..., ::-1], "bgr8", header)
                    else:
                        _, coded = cv2.imencode(".png", image[..., ::-1])
                        message = build.compressed(coded, "png", header)
                    cdr = store.serialize_cdr(message, kinds[form])
                    writer.write(connections[topic], logged + 5_000_000, cdr)
                if truth:
                    found = truth(index)
                    labels = RedFinder().spec.labels
                    array = build.detection_array(found, labels, build.header(stamped, "x"), "name")
                    writer.write(
                        connections["/truth/detections"],
                        logged + 6_000_000,
                        store.serialize_cdr(array, kind),
                    )
        return folder

    return write


def read_messages(folder):
    """Every message of a bag as topic, time, decoded content (by the rosbags library)."""
    from rosbags.highlevel import AnyReader

    with AnyReader([folder]) as reader:
        return [
            (c.topic, stamp, reader.deserialize(raw, c.msgtype))
            for c, stamp, raw in reader.messages()
        ]


@pytest.fixture
def contents():
    return read_messages


def plain(value):
    """A decoded message as plain Python values, comparable whoever decoded it."""
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (bytes, bytearray)):
        return list(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    names = getattr(value, "__slots__", None) or getattr(value, "__dict__", None)
    if names is None or isinstance(value, (str, int, float, bool)):
        return value
    fields = [name for name in names if name[0].islower() or (name[0] == "_" and name[1] != "_")]
    return {name.lstrip("_"): plain(getattr(value, name)) for name in fields}


@pytest.fixture
def plainly():
    return plain


@pytest.fixture(scope="session")
def model():
    """A real model's folder: the package's, or the one MTV_TEST_MODEL names."""
    try:
        return find_model(os.environ.get("MTV_TEST_MODEL", "warehouse"))
    except ArtefactError:
        pytest.skip("no model (models/warehouse, or the folder that MTV_TEST_MODEL names)")


@pytest.fixture
def clip():
    return Path(__file__).resolve().parents[1] / "docs" / "media" / "people.mp4"


@pytest.fixture(scope="session")
def ros_domain():
    """The number of a ROS domain that no other test process of this machine uses."""
    for domain in range(1, 100):
        lock = (Path(tempfile.gettempdir()) / f"mtv_perception_test_domain_{domain}").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        yield domain
        lock.close()
        return
    pytest.fail("Expected a free ROS domain in 1..99; other test processes hold all of them.")
