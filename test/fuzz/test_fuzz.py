"""Whatever comes in, the answer is right or one of the package's own errors: never another
exception, never a crash.

A few hundred cases each; MTV_FUZZ_CASES=100000 scripts/test.sh test/fuzz --timeout 0 --durations 0
tries more.
"""

import math
import os
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtv_perception.config import from_mapping, load, to_plain
from mtv_perception.errors import ArtefactError, ConfigError, ImageError, MtvError
from mtv_perception.geometry.default_boxes import DefaultBoxMap
from mtv_perception.media.decode import decode_compressed
from mtv_perception.media.encodings import ENCODINGS
from mtv_perception.ros.perception.config import FIELD_SECTION, NodeConfig, Settings
from mtv_perception.runtime.artefact import (
    MODEL_FILE,
    SPEC_FILE,
    ModelSpec,
    load_artefact,
    write_artefact,
)
from mtv_perception.runtime.self_test import Golden
from mtv_perception.runtime.settings import PerceiverConfig
from mtv_perception.zones.config import ZonesConfig

CASES = int(os.environ.get("MTV_FUZZ_CASES", "300"))
SLOW_CASES = CASES // 4  # those that read files

fixtures = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)


def cases(count):
    return settings(
        max_examples=count, deadline=None, suppress_health_check=fixtures, database=None
    )


# A source of random numbers for each case: much cheaper than drawing every value, and told when a
# case fails.
RANDOM = st.randoms(use_true_random=True)
REMARKABLE = (
    0,
    1,
    -1,
    0.5,
    1e-308,
    1e308,
    2**31,
    2**63 - 1,
    -(2**63),
    10**400,
    math.nan,
    math.inf,
    -math.inf,
)


def edited(data, rng):
    """Bytes after one to eight edits: cut, set, flip a bit, insert or repeat."""
    data = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        at, value = rng.randrange(len(data) or 1), rng.randrange(256)
        kind = rng.randrange(8)
        if kind == 0:
            del data[at : at + (value if value < 200 else len(data))]
        elif kind == 1:
            data[at:at] = bytes([value])
        elif kind == 2:
            data[at:at] = data[at : at + value]
        elif data:
            data[at % len(data)] = value if kind < 5 else data[at % len(data)] ^ (1 << value % 8)
    return bytes(data)


def number(rng):
    """Any number; often an awkward one."""
    return rng.choice(
        (rng.choice(REMARKABLE), rng.randint(-5, 700), rng.uniform(-2, 700), rng.gauss(0, 1e9))
    )


def text(rng):
    return "".join(
        chr(rng.choice((rng.randrange(128), rng.randrange(0xD800))))
        for _ in range(rng.randrange(9))
    )


def anything(rng, depth=2):
    """Whatever YAML can hold."""
    kind = rng.randrange(8 if depth else 5)
    if kind < 2:
        return number(rng)
    if kind < 5:
        return (text(rng), None, rng.random() < 0.5)[kind - 2]
    items = [anything(rng, depth - 1) for _ in range(rng.randrange(5))]
    return items if kind < 7 else {text(rng): item for item in items}


# Image messages


@cases(CASES)
@given(rng=RANDOM)
def test_raw_image_messages(rng):
    bags = pytest.importorskip("mtv_perception.bags.reader", reason="needs rosbags")
    stamp = SimpleNamespace(sec=rng.randrange(-(2**31), 2**31), nanosec=rng.randrange(2**32))

    def side(usual):
        return rng.choice((rng.randrange(usual), rng.randrange(usual), rng.randrange(2**32)))

    message = SimpleNamespace(
        header=SimpleNamespace(stamp=stamp, frame_id=text(rng)),
        height=side(40),
        width=side(40),
        step=rng.choice((0, side(400))),
        encoding=rng.choice((*ENCODINGS, text(rng))),
        is_bigendian=rng.randrange(256),
        data=rng.randbytes(rng.randrange(6000)),
    )
    assert bags.message_stamp_ns(message) == stamp.sec * 10**9 + stamp.nanosec
    try:
        rgb = bags.message_to_rgb(message, bags.RAW)
    except ImageError:
        return
    assert rgb.shape == (message.height, message.width, 3) and rgb.dtype == np.uint8


def coded_images():
    pixels = np.random.default_rng(5).integers(0, 256, (37, 43, 3), np.uint8)
    kinds = [
        (".jpg", ()),
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2)),
        (".png", ()),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 80)),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)),
        (".bmp", ()),
        (".tiff", ()),
        (".tiff", (cv2.IMWRITE_TIFF_COMPRESSION, 1)),
        (".tiff", (cv2.IMWRITE_TIFF_COMPRESSION, 8)),
        (".jp2", ()),
        (".gif", ()),
        (".ppm", ()),
        (".ppm", (cv2.IMWRITE_PXM_BINARY, 0)),
    ]
    coded = [cv2.imencode(suffix, pixels, options)[1].tobytes() for suffix, options in kinds]
    deep = pixels.astype(np.uint16) << 4
    return coded + [cv2.imencode(suffix, deep)[1].tobytes() for suffix in (".png", ".tiff", ".ppm")]


CODED = coded_images()


@cases(CASES)
@given(rng=RANDOM)
def test_compressed_images(rng):
    # Of the real limit each case that claims as much takes a second.
    try:
        rgb = decode_compressed(edited(rng.choice(CODED), rng), max_pixels=1 << 20)
    except ImageError:
        return
    assert rgb.ndim == 3 and rgb.shape[2] == 3 and rgb.dtype == np.uint8
    assert 0 < rgb.shape[0] * rgb.shape[1] <= 1 << 20


# Settings

SETTINGS = {
    "node": NodeConfig,
    "perceiver": PerceiverConfig,
    "model": ModelSpec,
    "zones": ZonesConfig,
}


def check_settings(cls, values):
    """Refused, or read back as what was written."""
    try:
        found = from_mapping(cls, values)
    except ConfigError:
        return
    assert from_mapping(cls, to_plain(found)) == found


@pytest.mark.parametrize("cls", SETTINGS.values(), ids=SETTINGS)
def test_settings_from_any_mapping(cls):
    names = (*cls.__dataclass_fields__, "octarine")

    @cases(CASES)
    @given(rng=RANDOM)
    def check(rng):
        check_settings(cls, {rng.choice(names): anything(rng) for _ in range(rng.randrange(5))})

    check()


@pytest.mark.parametrize(
    "values",
    [
        {"score_threshold": math.nan},
        {"num_threads": 10**400},
        {"cameras": ["a"] * 10_000},
        {"class_thresholds": ["person=nan"]},
        {"model": "\0" * 10_000},
    ],
    ids=lambda values: next(iter(values)),
)
def test_settings_that_were_chosen_by_hand(values):
    for cls in SETTINGS.values():
        check_settings(cls, values)


@pytest.fixture(scope="module")
def parameters():
    """A node's declared parameters."""
    rclpy = pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
    from mtv_perception.ros.parameters import NodeParameters

    context = rclpy.Context()
    rclpy.init(context=context, domain_id=99)
    node = rclpy.create_node(
        "fuzzed", context=context, enable_rosout=False, start_parameter_services=False
    )
    yield SimpleNamespace(node=node, declared=NodeParameters(node, Settings))
    node.destroy_node()
    context.try_shutdown()


def parameter_value(rng):
    """Of one of ROS's types; their integers have 64 bits, their lists one type and at least one
    value.
    """
    kinds = (
        lambda: rng.random() < 0.5,
        lambda: rng.choice((rng.randint(-5, 700), rng.randrange(-(2**63), 2**63))),
        lambda: float(
            rng.choice((rng.uniform(-2, 2), rng.gauss(0, 1e9), math.nan, math.inf, -math.inf))
        ),
        lambda: text(rng),
    )
    kind = rng.choice(kinds)
    return kind() if rng.random() < 0.6 else [kind() for _ in range(rng.choice((1, 3, 500)))]


@cases(CASES)
@given(rng=RANDOM)
def test_ros_parameters(parameters, rng):
    from rclpy.parameter import Parameter

    name = rng.choice(tuple(FIELD_SECTION))
    result = parameters.node.set_parameters([Parameter(name, value=parameter_value(rng))])[0]
    assert result.successful or result.reason
    # What was accepted can be read; what was refused has changed nothing.
    assert parameters.declared.read()


# Files

SPEC = ModelSpec(
    "tiny",
    size_hw=(32, 64),
    default_boxes=(DefaultBoxMap((4, 8), ((12.0, 12.0),)),),
    thresholds={"person": 0.6},
)
CONTENT = np.random.default_rng(6).integers(0, 256, 4000, np.uint8).tobytes()


@pytest.fixture
def artefact(tmp_path):
    return write_artefact(tmp_path / "model", SPEC, CONTENT)


@pytest.mark.parametrize("name", [MODEL_FILE, SPEC_FILE])
def test_model_artefacts(artefact, name):
    """Nothing but the very bytes that were hashed is ever handed to the interpreter."""
    path = artefact.folder / name
    original = path.read_bytes()

    @cases(SLOW_CASES)
    @given(rng=RANDOM)
    def check(rng):
        path.write_bytes(edited(original, rng))
        try:
            found = load_artefact(artefact.folder)
        except ArtefactError:
            return
        assert found.content == CONTENT
        assert from_mapping(ModelSpec, to_plain(found.spec)) == found.spec

    check()


def test_stored_self_tests():
    """This file has no hash, so that anything in it must be told."""
    size = (32, 64)
    values = np.random.default_rng(7).normal(size=(3, 500)).astype(np.float32)
    names = ("class_logits", "box_offsets", "segmentation_logits")
    golden = Golden(np.zeros((*size, 3), np.uint8), dict(zip(names, values, strict=True)))
    original = golden.to_bytes()

    @cases(CASES)
    @given(rng=RANDOM)
    def check(rng):
        try:
            found = Golden.from_bytes(edited(original, rng))
        except ArtefactError:
            return
        assert found.input_rgb.dtype == np.uint8
        assert all(found.outputs[name].dtype == np.float32 for name in names)

    check()


ZONES = {
    "deadline": 0.5,
    "unknown_as_points": True,
    "cameras": [
        {
            "position": [0.35, 0.0, 1.1],
            "rpy_deg": [0, 18, 0],
            "intrinsics": {
                "size_hw": [480, 640],
                "k": [525, 0, 320, 0, 525, 240, 0, 0, 1],
                "d": [0, 0, 0, 0],
            },
            "zones": [
                {"name": "stop", "polygon": [[1.5, -0.6], [3, -0.6], [3, 0.6]]},
                {
                    "name": "door",
                    "space": "image",
                    "polygon": [[4, 1], [9, 1], [9, 8]],
                    "tests": ["box", "mask"],
                },
            ],
        }
    ],
}


def test_the_zones_that_are_mutated_are_valid(tmp_path):
    path = tmp_path / "zones.yaml"
    path.write_text(yaml.safe_dump(ZONES))

    assert len(load(ZonesConfig, path).cameras[0].zones) == 2
    assert load(ZonesConfig, Path(__file__).parents[2] / "config" / "zones.yaml")


@cases(SLOW_CASES)
@given(rng=RANDOM)
def test_zones_files(tmp_path, rng):
    path = tmp_path / "zones.yaml"
    path.write_bytes(edited(yaml.safe_dump(ZONES).encode(), rng))
    try:
        found = load(ZonesConfig, path)
    except ConfigError:
        return
    assert from_mapping(ZonesConfig, to_plain(found)) == found


ZONE_KEYS = (
    "polygon",
    "classes",
    "min_score",
    "tests",
    "space",
    "mask_columns",
    "leave_seconds",
    "name",
)
CAMERA_KEYS = ("position", "rpy_deg", "intrinsics", "floor_frame", "name")


def zones_around(polygon, k, camera=None, zone=None):
    first = {"name": "a", "polygon": polygon, **(zone or {})}
    return {
        "cameras": [
            {"position": [0, 0, 1], "intrinsics": {"k": k}, "zones": [first], **(camera or {})}
        ]
    }


@cases(CASES)
@given(rng=RANDOM)
def test_zones_of_any_content(rng):
    polygon = [[number(rng), number(rng)] for _ in range(rng.randrange(7))]
    k = rng.choice(([525, 0, 320, 0, 525, 240, 0, 0, 1], [number(rng) for _ in range(9)]))
    camera = {rng.choice(CAMERA_KEYS): anything(rng)} if rng.random() < 0.3 else {}
    zone = {rng.choice(ZONE_KEYS): anything(rng)} if rng.random() < 0.3 else {}
    check_settings(ZonesConfig, zones_around(polygon, k, camera, zone))


@pytest.mark.parametrize("size", [1e-308, 1e-9, 1.0, 1e154, 1e308])
@pytest.mark.parametrize("focal", [1e-308, -1.0, 525.0, 1e308])
def test_zones_of_extreme_sizes(size, focal):
    k = [focal, 0, 320, 0, focal, 240, 0, 0, 1]
    check_settings(ZonesConfig, zones_around([[0, 0], [size, 0], [size, size]], k))


@pytest.fixture(params=["mcap", "db3"])
def bag(request, tmp_path):
    """A bag of three small images, raw and compressed: its storage file."""
    pytest.importorskip("rosbags")
    from rosbags.rosbag2 import StoragePlugin, Writer

    from mtv_perception.bags.reader import COMPRESSED, RAW
    from mtv_perception.messages.typestore import builder, typestore

    build, store = builder(), typestore()
    kind = {"mcap": StoragePlugin.MCAP, "db3": StoragePlugin.SQLITE3}[request.param]
    with Writer(tmp_path / "bag", version=9, storage_plugin=kind) as writer:
        raw = writer.add_connection("/image", RAW, typestore=store)
        coded = writer.add_connection("/image/compressed", COMPRESSED, typestore=store)
        for index in range(3):
            header = build.header(10**18 + index, "camera")
            image = build.image(np.full((4, 6, 3), index, np.uint8), "rgb8", header)
            writer.write(raw, index, store.serialize_cdr(image, RAW))
            data = np.frombuffer(CODED[2], np.uint8)
            writer.write(
                coded, index, store.serialize_cdr(build.compressed(data, "png", header), COMPRESSED)
            )
    return next(path for path in (tmp_path / "bag").iterdir() if path.suffix == f".{request.param}")


def test_bags(bag):
    from mtv_perception.replay.inputs import open_input

    original = bag.read_bytes()

    @cases(SLOW_CASES)
    @given(rng=RANDOM)
    def check(rng):
        bag.write_bytes(edited(original, rng))
        topic = rng.choice(("/image", "/image/compressed", None))
        try:
            with open_input(bag.parent, [topic] if topic else []) as opened:
                for item in opened.frames():
                    frame = item.decode()
                    assert frame.image_rgb.ndim == 3 and frame.image_rgb.dtype == np.uint8
        except MtvError:
            return

    check()
