"""From a folder with own classes to a node that serves them, in one command."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="no ROS 2 in this Python; run: make setup")
pytest.importorskip("mtv_perception.msg", reason="the messages are not generated; run: make setup")

from mtv_perception.runtime import load_artefact

ROOT = Path(__file__).resolve().parents[3]
SIZE_HW = (96, 128)
BOX = "0.5 0.5 0.4 0.4"
POLYGON = "0.3 0.3 0.7 0.3 0.7 0.7 0.3 0.7"


def write_export(folder, names, shape):
    """A YOLO export of 24 images; line after line of labels names another class."""
    for index in range(24):
        rng = np.random.default_rng(index)
        image = cv2.resize(rng.integers(0, 200, (6, 8, 3)).astype(np.uint8), (160, 120))
        lines = [f"{n} {shape}" for n in range(len(names)) if (index + n) % 2]
        for part, name in (("images", f"{index:02d}.png"), ("labels", f"{index:02d}.txt")):
            (folder / part).mkdir(parents=True, exist_ok=True)
            path = folder / part / name
            if part == "images":
                cv2.imwrite(str(path), image)
            else:
                path.write_text("\n".join(lines) + "\n")
    (folder / "data.yaml").write_text(f"names: [{', '.join(names)}]\n")


@pytest.mark.parametrize(("count", "shape"), [(2, BOX), (20, POLYGON)], ids=["two", "twenty-masks"])
def test_own_classes_are_trained_exported_tuned_judged_and_served(
    own_graph, tmp_path, count, shape
):
    names = ["person", *(f"thing{n}" for n in range(1, count))]
    write_export(tmp_path / "export", names, shape)
    model = tmp_path / "model"
    command = [sys.executable, ROOT / "scripts" / "mtv", "fit", tmp_path / "export", "--out", model]
    options = ["--steps", "1", "--size", *map(str, SIZE_HW), "--precision", "int8"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    has_masks = shape is POLYGON
    spec = load_artefact(model).spec
    assert spec.box_classes == tuple(names)
    assert spec.mask_classes == (tuple(names) if has_masks else ())

    graph = own_graph
    graph.listen()
    graph.start(model=str(model), image_reliability="reliable", mask_reliability="reliable")
    publisher = graph.publisher(type(graph.grey_image(graph.header())), "image")
    statuses = graph.heard["perception/status"][1]

    def answered():
        publisher.publish(graph.grey_image(graph.header()))
        return statuses

    graph.wait(answered, "a status")
    assert list(statuses[-1].classes) == ["background", *names]
    assert list(statuses[-1].mask_classes) == (names if has_masks else [])
    topics = {name for name, _ in graph.node.get_topic_names_and_types()}
    published = {name for name in topics if graph.node.count_publishers(name)}
    assert any(name.endswith("/detections") for name in published)
    assert any(name.endswith("/segmentation/mask") for name in published) == has_masks
