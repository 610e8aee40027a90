import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from ai_edge_litert.interpreter import Interpreter

from mtv_perception.cli.options import local_path
from mtv_perception.config import to_plain
from mtv_perception.errors import ArtefactError, ConfigError
from mtv_perception.geometry.letterbox import Letterbox
from mtv_perception.runtime import Perceiver, PerceiverConfig, load_artefact
from mtv_perception.runtime.artefact import (
    BALANCED,
    FEW_FALSE_ALARMS,
    MODEL_FILE,
    SPEC_FILE,
    ModelSpec,
    write_artefact,
    write_thresholds,
)
from mtv_perception.runtime.backends import EngineConfig
from mtv_perception.runtime.boxes import detect, sigmoid_candidates
from mtv_perception.runtime.mask import segment
from mtv_perception.runtime.models import find_model
from mtv_perception.runtime.outputs import Tensor

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("class_logits", "box_offsets", "segmentation_logits")


def change(folder, **values):
    """Overwrite keys of model.yaml; None removes one."""
    path = folder / SPEC_FILE
    content = yaml.safe_load(path.read_text())
    content.update(values)
    content = {key: value for key, value in content.items() if value is not None}
    path.write_text(yaml.safe_dump(content))


def open_it(folder):
    """Everything a node does before the first image."""
    return Perceiver(load_artefact(folder))


def run_bare(folder, image):
    """The raw outputs by LiteRT alone."""
    interpreter = Interpreter(model_path=str(folder / MODEL_FILE))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None])
    interpreter.invoke()
    positions = yaml.safe_load((folder / SPEC_FILE).read_text())["outputs"]
    details = interpreter.get_output_details()
    tensors = {}
    for name in NAMES:
        detail = details[positions[name]]
        scale, zero_point = detail["quantization"]
        tensors[name] = Tensor(interpreter.get_tensor(detail["index"])[0], scale or 1.0, zero_point)
    return tensors


def test_what_is_written_is_what_is_read(tiny_folder, tiny_spec):
    artefact = load_artefact(tiny_folder)

    assert artefact.folder == tiny_folder
    assert artefact.content == (tiny_folder / MODEL_FILE).read_bytes()
    assert artefact.spec.sha256 == hashlib.sha256(artefact.content).hexdigest()
    precision = artefact.spec.precision
    assert artefact.spec == replace(
        tiny_spec,
        outputs=artefact.spec.outputs,
        sha256=artefact.spec.sha256,
        precision=precision,
        thresholds={"person": 0.6},
        licence="Apache-2.0",
    )
    assert artefact.size_hw == (32, 64)
    assert artefact.labels.names == ("background", "rail", "person", "forklift")
    assert artefact.model_id == f"tiny-v1-{precision}-{artefact.spec.sha256[:8]}"


@pytest.mark.parametrize("num_threads", [1, 2])
def test_perceiving_is_running_the_model_and_reading_its_raw_outputs(tiny_folder, num_threads):
    image = np.random.default_rng(4).integers(0, 256, (45, 99, 3), np.uint8)
    artefact = load_artefact(tiny_folder)
    config = PerceiverConfig(score_threshold=0.5, num_threads=num_threads)
    letterbox = Letterbox.fit((45, 99), artefact.size_hw)
    network_input = np.zeros((32, 64, 3), np.uint8)
    letterbox.write(image, network_input)
    raw = run_bare(tiny_folder, network_input)

    result = Perceiver(artefact, config)(image)

    expected = detect(
        sigmoid_candidates(raw["class_logits"], np.full(3, 0.5), 1000),
        raw["box_offsets"],
        artefact.spec.box_spec.boxes_cxcywh(),
        artefact.spec.variances,
        0.5,
        50,
        100,
    )
    boxes = np.clip(letterbox.boxes_to_source(expected.boxes_xyxy), 0, [99, 45, 99, 45])
    inside = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
    assert inside.sum() > 10
    np.testing.assert_allclose(result.detections.boxes_xyxy, boxes[inside], atol=1e-3)
    np.testing.assert_allclose(result.detections.scores, expected.scores[inside], atol=1e-6)
    assert np.array_equal(result.detections.class_ids, expected.class_ids[inside])
    mask = segment(raw["segmentation_logits"], letterbox, (45, 99), 0.0)
    assert np.array_equal(result.segmentation.class_ids, mask.class_ids)
    assert len(np.unique(mask.class_ids)) > 1


def test_many_images_in_a_row(tiny_folder):
    perceiver = open_it(tiny_folder)
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((32, 64), (90, 31), (480, 640))
    ]

    first = [perceiver(image) for image in images]
    second = [perceiver(image) for image in images]

    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.detections.boxes_xyxy, b.detections.boxes_xyxy)
        assert np.array_equal(a.segmentation.class_ids, b.segmentation.class_ids)


def test_an_artefact_in_memory_outlives_its_files(tiny_folder):
    artefact = load_artefact(tiny_folder)
    (tiny_folder / MODEL_FILE).write_bytes(b"other")

    assert len(Perceiver(artefact)(np.zeros((32, 64, 3), np.uint8)).segmentation.class_ids) == 32


def test_a_changed_byte_is_a_hash_mismatch(tiny_folder):
    content = bytearray((tiny_folder / MODEL_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (tiny_folder / MODEL_FILE).write_bytes(content)
    expected = load_yaml(tiny_folder)["sha256"]
    received = hashlib.sha256(content).hexdigest()

    with pytest.raises(
        ArtefactError, match=rf"model\.tflite: expected SHA-256 {expected}, got {received}"
    ):
        load_artefact(tiny_folder)


def load_yaml(folder):
    return yaml.safe_load((folder / SPEC_FILE).read_text())


def test_a_missing_hash_is_a_mismatch(tiny_folder):
    change(tiny_folder, sha256=None)

    with pytest.raises(ArtefactError, match="expected SHA-256 in model.yaml, got [0-9a-f]{64}"):
        load_artefact(tiny_folder)


@pytest.mark.parametrize("name", [MODEL_FILE, SPEC_FILE])
def test_a_missing_file_is_named(tiny_folder, name):
    (tiny_folder / name).unlink()

    with pytest.raises(ArtefactError, match=name.replace(".", r"\.")):
        load_artefact(tiny_folder)


@pytest.mark.parametrize("what", ["nowhere", "a file"])
def test_a_folder_that_is_none(tmp_path, what):
    path = tmp_path / what
    if what == "a file":
        path.write_text("x")

    with pytest.raises(
        ArtefactError, match="expected a model folder with model.yaml and model.tflite"
    ):
        load_artefact(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": "red"}, "unknown key 'colour'; known are name, version, format, classes"),
        ({"format": 2}, "expected format 1, got 2"),
        ({"format": None}, "expected format 1, got None"),
        ({"name": None}, "name: a value is required"),
        ({"size_hw": [32]}, r"size_hw: expected 2 values, got 1"),
        ({"size_hw": [32, -64]}, r"size_hw: expected a number in 32 \.\. 8192, got -64"),
        ({"size_hw": ["32", 64]}, r"size_hw\[0\]: expected int, got '32'"),
        ({"size_hw": [34, 64]}, r"multiples of segmentation_stride 4, got \(34, 64\)"),
        ({"scores": "tanh"}, "scores: expected one of sigmoid, softmax, got 'tanh'"),
        ({"precision": "int4"}, "precision: expected one of .*, got 'int4'"),
        ({"thresholds": {"person": 1.5}}, "Expected a threshold in 0 .. 1 .* got person: 1.5"),
        ({"thresholds": {"person": 0}}, "got person: 0.0"),
        ({"thresholds": {"person": -3}}, "got person: -3.0"),
        ({"thresholds": {"person": float("nan")}}, "person.*nan"),
        ({"thresholds": {"person": "high"}}, "thresholds.person: expected float, got 'high'"),
        ({"thresholds": {"dog": 0.5}}, "got dog: 0.5"),
        ({"thresholds": {"background": 0.5}}, "got background: 0.5"),
        ({"iou_threshold": 7}, r"iou_threshold: expected a number in 0 \.\. 1, got 7"),
        ({"classes": ["background"]}, "at least one class"),
        ({"classes": ["background", "rail", "rail", "person"]}, "all different"),
        ({"variances": [0.1, 0.1, 0.2]}, "variances: expected 4 values, got 3"),
        (
            {"variances": [0.1, 0.1, 0.2, float("inf")]},
            "variances: expected a finite number, got inf",
        ),
        (
            {"default_boxes": [{"grid_hw": [4, 8]}]},
            r"default_boxes\[0\].shapes_wh: a value is required",
        ),
        (
            {"default_boxes": [{"grid_hw": [4, 8], "shapes_wh": [[8, -8]]}]},
            "positive grid and box shapes",
        ),
        (
            {"default_boxes": [{"grid_hw": [4, 8], "shapes_wh": [[8, float("nan")]]}]},
            "got nan|positive",
        ),
    ],
    ids=str,
)
def test_a_wrong_description_is_refused(tiny_folder, values, message):
    change(tiny_folder, **values)

    with pytest.raises(ArtefactError, match=message) as caught:
        load_artefact(tiny_folder)
    assert str(tiny_folder / SPEC_FILE) in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "- a list", "just text", "a: [1, 2", "a: \t b", "\x00", "when: 2024-13-45"]
)
def test_a_description_that_is_no_mapping(tiny_folder, text):
    (tiny_folder / SPEC_FILE).write_text(text)

    with pytest.raises(ArtefactError, match=r"model\.yaml"):
        load_artefact(tiny_folder)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"size_hw": [64, 64]},
            r"Expected one model input \(\(1, 64, 64, 3\), 'uint8'\), got .*\(1, 32, 64, 3\)",
        ),
        (
            {"classes": ["background", "person"], "thresholds": {}},
            r"'class_logits' of shape \(32, 1\).*got \(32, 3\)",
        ),
        ({"scores": "softmax"}, r"'class_logits' of shape \(32, 4\).*got \(32, 3\)"),
        (
            {"segmentation_stride": 8},
            r"'segmentation_logits' of shape \(4, 8, 4\).*got \(8, 16, 4\)",
        ),
        ({"default_boxes": []}, r"'class_logits' of shape \(0, 3\).*got \(32, 3\)"),
        (
            {"default_boxes": [{"grid_hw": [4, 8], "shapes_wh": [[8, 8], [9, 9]]}]},
            r"'class_logits' of shape \(64, 3\)",
        ),
        (
            {"default_boxes": [{"grid_hw": [1000000, 1000000], "shapes_wh": [[8, 8]]}]},
            r"'class_logits' of shape \(1000000000000, 3\)",
        ),
        ({"outputs": {}}, r"position of output 'class_logits' in 0 \.\. 2, got -1"),
    ],
    ids=str,
)
def test_a_description_of_another_model_is_refused(tiny_folder, values, message):
    change(tiny_folder, **values)

    with pytest.raises(ArtefactError, match=message):
        open_it(tiny_folder)


@pytest.mark.parametrize("position", [3, -1, 10**9])
def test_an_output_position_that_does_not_exist_is_refused(tiny_folder, position):
    change(
        tiny_folder, outputs={**load_yaml(tiny_folder)["outputs"], "segmentation_logits": position}
    )

    with pytest.raises(
        ArtefactError,
        match=rf"position of output 'segmentation_logits' in 0 \.\. 2, got {position}",
    ):
        open_it(tiny_folder)


def test_swapped_outputs_are_refused(tiny_folder):
    outputs = load_yaml(tiny_folder)["outputs"]
    outputs["class_logits"], outputs["box_offsets"] = (
        outputs["box_offsets"],
        outputs["class_logits"],
    )
    change(tiny_folder, outputs=outputs)

    with pytest.raises(ArtefactError, match=r"'class_logits' of shape \(32, 3\).*got \(32, 4\)"):
        open_it(tiny_folder)


@pytest.mark.parametrize("content", [b"", b"x", b"not a model at all" * 50, bytes(4096)], ids=len)
def test_a_file_that_is_no_model(tmp_path, tiny_spec, content):
    folder = write_artefact(tmp_path, tiny_spec, content).folder

    with pytest.raises(ArtefactError, match="Expected a LiteRT model"):
        open_it(folder)


def test_a_truncated_model_with_a_fitting_hash(tmp_path, tiny_spec, tiny_contents):
    """In a process of its own: what LiteRT makes of such a file must be an error, not a crash."""
    content = tiny_contents["float32"]
    for parts in range(1, 8):
        write_artefact(tmp_path / str(parts), tiny_spec, content[: len(content) * parts // 8])
    code = (
        "import sys\n"
        "from mtv_perception.errors import ArtefactError\n"
        "from mtv_perception.runtime import Perceiver, load_artefact\n"
        "for folder in sys.argv[1:]:\n"
        "    try:\n"
        "        Perceiver(load_artefact(folder))\n"
        "    except ArtefactError:\n"
        "        print('refused')\n"
    )
    folders = [str(tmp_path / str(parts)) for parts in range(1, 8)]

    done = subprocess.run(
        [sys.executable, "-c", code, *folders], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["refused"] * 7


def test_another_kind_of_model_is_refused(tmp_path, tiny_spec):
    keras = pytest.importorskip("keras")
    tf = pytest.importorskip("tensorflow")
    images = keras.Input((32, 64, 3), batch_size=1)
    model = keras.Model(images, keras.layers.Flatten()(images))
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()

    with pytest.raises(
        ArtefactError, match=r"Expected one model input .*'uint8'\), got .*'float32'"
    ):
        open_it(write_artefact(tmp_path, tiny_spec, content).folder)


def test_tuned_thresholds_are_put_into_the_description_and_nothing_else_changes(tiny_folder):
    before = load_artefact(tiny_folder)

    write_thresholds(tiny_folder, {"rail": 0.25}, 0.4)
    write_thresholds(tiny_folder, {"forklift": 0.75})

    after = load_artefact(tiny_folder)
    tuned = {"person": 0.6, "rail": 0.25, "forklift": 0.75}
    assert after.spec == replace(before.spec, thresholds=tuned, iou_threshold=0.4)
    assert after.content == before.content


def test_an_operating_point_has_thresholds_of_its_own_and_falls_back_on_the_balanced_ones(
    tiny_folder,
):
    before = load_artefact(tiny_folder).spec

    write_thresholds(tiny_folder, {"person": 0.8}, point=FEW_FALSE_ALARMS)
    write_thresholds(tiny_folder, {"forklift": 0.9}, point=FEW_FALSE_ALARMS)

    after = load_artefact(tiny_folder).spec
    assert after.thresholds == before.thresholds
    few = {"person": 0.8, "forklift": 0.9}
    assert after.thresholds_at(FEW_FALSE_ALARMS) == {**before.thresholds, **few}
    assert after.thresholds_at(BALANCED) == before.thresholds
    with pytest.raises(ConfigError, match=r"balanced\), got 'few_false_alarms'.*mtv tune"):
        before.thresholds_at(FEW_FALSE_ALARMS)


def test_balanced_thresholds_raise_lower_ones_of_another_point(tiny_folder):
    """Else the point of few false alarms would have more of them than the balanced one."""
    write_thresholds(tiny_folder, {"person": 0.7, "forklift": 0.9}, point=FEW_FALSE_ALARMS)
    write_thresholds(tiny_folder, {"person": 0.8, "forklift": 0.5, "rail": 0.4})

    spec = load_artefact(tiny_folder).spec
    assert spec.thresholds == {"person": 0.8, "forklift": 0.5, "rail": 0.4}
    assert spec.operating_points == {FEW_FALSE_ALARMS: {"person": 0.8, "forklift": 0.9}}


@pytest.mark.parametrize(
    "points", [{"loud": {"person": 0.5}}, {FEW_FALSE_ALARMS: {"dog": 0.5}}, {BALANCED: {}}]
)
def test_unknown_operating_points_and_their_classes_are_refused(tiny_spec, points):
    with pytest.raises(ValueError, match="Expected"):
        replace(tiny_spec, operating_points=points)


@pytest.mark.parametrize("thresholds", [{"dog": 0.5}, {"person": 1.0}, {"person": 0.0}])
def test_absurd_tuned_thresholds_leave_the_artefact_alone(tiny_folder, thresholds):
    before = (tiny_folder / SPEC_FILE).read_text()

    with pytest.raises(ValueError, match="Expected a threshold"):
        write_thresholds(tiny_folder, thresholds)

    assert (tiny_folder / SPEC_FILE).read_text() == before


def two_artefacts(spec):
    """Two models that differ in everything, as what `write_artefact` takes."""
    return [
        (replace(spec, name=name, version=version), bytes([version]) * size)
        for name, version, size in (("old", 1, 50_000), ("new", 2, 80_000))
    ]


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path, tiny_spec, monkeypatch):
    def fail(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        write_artefact(tmp_path / "model", tiny_spec, b"x")

    assert list(tmp_path.iterdir()) == []


def test_other_files_of_a_folder_stay(tmp_path, tiny_spec):
    (old, old_content), (new, new_content) = two_artefacts(tiny_spec)
    folder = write_artefact(tmp_path / "model", old, old_content).folder
    (folder / "README.md").write_text("about it")

    write_artefact(folder, new, new_content)

    assert load_artefact(folder).spec.name == "new"
    assert {path.name for path in folder.iterdir()} == {"README.md", MODEL_FILE, SPEC_FILE}


@pytest.mark.parametrize("survived", range(5))
def test_a_crash_while_replacing_leaves_the_old_the_new_or_a_clear_error(
    tmp_path, tiny_spec, monkeypatch, survived
):
    """Every step that touches the disk is once the first that does not happen."""
    (old, old_content), (new, new_content) = two_artefacts(tiny_spec)
    folder = write_artefact(tmp_path / "model", old, old_content).folder
    steps = iter(range(99))

    def dies(step):
        def wrapped(*arguments):
            if next(steps) >= survived:
                raise KeyboardInterrupt
            return step(*arguments)

        return wrapped

    for owner, name in ((os, "fsync"), (Path, "replace")):
        monkeypatch.setattr(owner, name, dies(getattr(owner, name)))
    with pytest.raises(KeyboardInterrupt):
        write_artefact(folder, new, new_content)

    if survived == 3:  # both on the disk, the first of them replaced
        with pytest.raises(ArtefactError, match="expected SHA-256"):
            load_artefact(folder)
    else:
        name, content = ("old", old_content) if survived < 3 else ("new", new_content)
        found = load_artefact(folder)
        assert (found.spec.name, found.content) == (name, content)


@pytest.mark.parametrize("half", [0.0, 0.5])
def test_a_model_overwritten_in_place_while_it_is_read_is_an_error(
    tmp_path, tiny_spec, monkeypatch, half
):
    (old, old_content), (_, new_content) = two_artefacts(tiny_spec)
    folder = write_artefact(tmp_path / "model", old, old_content).folder
    real = os.fstat

    def overwritten_meanwhile(descriptor):
        found = real(descriptor)
        kept = int(half * len(old_content))
        (folder / MODEL_FILE).write_bytes(old_content[:kept] + new_content)
        return found

    monkeypatch.setattr(os, "fstat", overwritten_meanwhile)
    with pytest.raises(ArtefactError, match="expected SHA-256"):
        load_artefact(folder)


def test_a_model_replaced_while_it_is_read_stays_the_one_that_was_opened(
    tmp_path, tiny_spec, monkeypatch
):
    (old, old_content), (new, new_content) = two_artefacts(tiny_spec)
    folder = write_artefact(tmp_path / "model", old, old_content).folder
    real = os.fstat

    def replaced_meanwhile(descriptor):
        if not os.readlink(f"/proc/self/fd/{descriptor}").endswith(MODEL_FILE):
            return real(descriptor)
        monkeypatch.undo()
        write_artefact(folder, new, new_content)
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", replaced_meanwhile)
    assert load_artefact(folder).content == old_content
    assert load_artefact(folder).content == new_content


def test_a_reader_beside_a_writer_never_gets_a_mix(tmp_path, tiny_spec):
    both = two_artefacts(tiny_spec)
    expected = {spec.name: content for spec, content in both}
    folder = write_artefact(tmp_path / "model", *both[0]).folder
    done = threading.Event()

    def write():
        for index in range(60):
            write_artefact(folder, *both[index % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not done.is_set():
        try:
            found = load_artefact(folder)
        except ArtefactError as error:
            assert "expected SHA-256" in str(error)
        else:
            assert found.content == expected[found.spec.name]
            seen.append(found.spec.name)
    writer.join()
    assert seen


def test_a_pipe_in_the_place_of_a_model_does_not_block(tiny_folder):
    (tiny_folder / MODEL_FILE).unlink()
    os.mkfifo(tiny_folder / MODEL_FILE)

    with pytest.raises(ArtefactError, match="expected a file of a model, got a pipe"):
        load_artefact(tiny_folder)


def test_nothing_is_run_before_the_hash_is_right(tiny_folder, monkeypatch):
    content = bytearray((tiny_folder / MODEL_FILE).read_bytes())
    content[-1] ^= 1
    (tiny_folder / MODEL_FILE).write_bytes(content)
    monkeypatch.setattr(
        "ai_edge_litert.interpreter.Interpreter",
        lambda **_: pytest.fail("LiteRT was given the file"),
    )

    with pytest.raises(ArtefactError, match="expected SHA-256"):
        open_it(tiny_folder)


def test_the_description_is_plain_yaml_in_a_fixed_order(tiny_folder):
    content = load_yaml(tiny_folder)

    assert list(content)[:4] == ["name", "version", "format", "classes"]
    assert content == to_plain(load_artefact(tiny_folder).spec)


def test_the_default_description_is_valid():
    spec = ModelSpec("x")

    assert spec.variances == (0.1, 0.1, 0.2, 0.2)
    assert spec.segmentation_hw == (120, 160)


def shipped_model():
    """A whole artefact to try: the environment's, or the one that comes with the package."""
    name = os.environ.get("MTV_TEST_MODEL", "")
    folder = Path(name) if name else ROOT / "models" / "warehouse"
    if not (folder / SPEC_FILE).is_file():
        pytest.skip(f"{folder} holds no model (set MTV_TEST_MODEL to try another)")
    return folder


@pytest.fixture(scope="module")
def frame():
    capture = cv2.VideoCapture(str(ROOT / "docs/media/people.mp4"))
    read, image = capture.read()
    capture.release()
    if not read:
        pytest.skip("docs/media/people.mp4 can't be read")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def test_the_models_that_come_with_the_package_load_and_run(frame):
    folder = shipped_model()
    perceiver = Perceiver(load_artefact(folder), PerceiverConfig(score_threshold=0.01))

    result = perceiver(frame)

    height, width = frame.shape[:2]
    boxes = result.detections.boxes_xyxy
    assert result.size_hw == (height, width)
    assert result.segmentation.class_ids.shape == (height, width)
    assert result.segmentation.class_ids.max() < len(perceiver.spec.classes)
    assert np.isfinite(boxes).all()
    assert (boxes >= 0).all()
    assert (boxes <= [width, height, width, height]).all()
    assert set(result.detections.class_ids.tolist()) <= set(range(1, len(perceiver.spec.classes)))


def test_a_model_is_found_by_path_or_by_name(tiny_folder):
    assert find_model(str(tiny_folder)) == tiny_folder
    for folder in (ROOT / "models").glob("*/model.yaml"):
        assert find_model(folder.parent.name) == folder.parent


@pytest.mark.parametrize("name", ["no-such-model", "../models", "/no/such/folder"])
def test_an_unknown_model_is_refused_with_the_known_ones(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ArtefactError, match="Expected a model folder or one of"):
        find_model(name)


@pytest.mark.skipif(not (ROOT / "models" / "warehouse").is_dir(), reason="no models/warehouse")
def test_a_model_of_the_package_is_loaded_by_its_name():
    assert load_artefact("warehouse").folder == find_model("warehouse")


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ArtefactError, match="Expected a model folder or one of"):
        load_artefact("no-such-model")


@pytest.mark.skipif(not (ROOT / "models" / "warehouse").is_dir(), reason="no models/warehouse")
def test_a_folder_here_is_meant_where_the_path_says_so(tiny_folder, tmp_path, monkeypatch):
    shutil.copytree(tiny_folder, tmp_path / "here" / "warehouse")
    monkeypatch.chdir(tmp_path / "here")

    assert find_model("warehouse") == ROOT / "models" / "warehouse"
    assert find_model("./warehouse") == Path("warehouse")
    assert local_path("./warehouse") == tmp_path / "here" / "warehouse"
    assert local_path("warehouse") == Path("warehouse")


def test_a_description_that_nobody_could_read_is_not_written(tiny_folder):
    artefact = load_artefact(tiny_folder)
    before = {path: path.read_bytes() for path in tiny_folder.rglob("*") if path.is_file()}

    with pytest.raises(ArtefactError, match="version"):
        write_artefact(tiny_folder, replace(artefact.spec, version=-1), b"other")
    assert {path: path.read_bytes() for path in tiny_folder.rglob("*") if path.is_file()} == before


def test_a_model_that_is_none_names_its_folder_and_the_way_out(tmp_path, tiny_spec):
    write_artefact(tmp_path / "tiny", tiny_spec, b"octarine")
    with pytest.raises(ArtefactError, match=r"tiny: Expected a LiteRT .*\. Export or download"):
        open_it(tmp_path / "tiny")


def test_an_engine_that_a_model_was_not_exported_for_needs_no_new_download(tiny_folder):
    with pytest.raises(ArtefactError, match="Or set backend to litert") as caught:
        load_artefact(tiny_folder).open(EngineConfig(backend="openvino"))
    assert str(tiny_folder) in str(caught.value) and "download" not in str(caught.value)


def test_a_model_that_stops_is_an_error_of_the_model(tiny_folder, monkeypatch):
    perceiver = open_it(tiny_folder)

    def stop(self):
        raise RuntimeError("Input tensor 1 lacks data")

    monkeypatch.setattr(type(perceiver._backend._interpreter), "invoke", stop)
    with pytest.raises(
        ArtefactError, match=r"it stopped with 'Input tensor 1 lacks data'\. Export"
    ):
        perceiver(np.zeros((*perceiver.spec.size_hw, 3), np.uint8))


def test_a_self_test_with_a_long_head_is_told_in_a_line(tiny_folder):
    head = b"{'descr': " + b"-" * 60_000 + b"}"
    array = b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little") + head
    with zipfile.ZipFile(tiny_folder / "self_test.npz", "w") as archive:
        for name in ("input_rgb", "class_logits", "box_offsets", "segmentation_logits"):
            archive.writestr(f"{name}.npy", array)
    with pytest.raises(ArtefactError, match=r"self_test\.npz: expected") as caught:
        load_artefact(tiny_folder)
    assert "\n" not in str(caught.value) and "allow_pickle" not in str(caught.value)
