"""Inputs that are missing, empty, partial, broken or of another kind, each made small.

`MAKERS` gives a maker by name. A case names what it needs as `{name}` in its arguments.
"""

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import yaml

from mtv_perception.cli.main import main
from mtv_perception.runtime.models import find_model

SIZE_HW = (48, 64)
RAW = "sensor_msgs/msg/Image"


def picture(index=0):
    image = np.full((*SIZE_HW, 3), 60 + 20 * (index % 8), np.uint8)
    image[10:30, 8 + 4 * (index % 8) : 20 + 4 * (index % 8)] = (0, 0, 220)
    return image


def jpeg(index=0):
    return cv2.imencode(".jpg", picture(index))[1].tobytes()


def half(data):
    return data[: len(data) // 2]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def folder(path, **files):
    path.mkdir(parents=True)
    for name, content in files.items():
        write(path / name.replace("__", "/").replace("_jpg", ".jpg"), content)
    return path


def bag(path, topics, scale=1):
    """A bag; `topics` gives type and encodings of the images (of no type: texts) by name."""
    from rosbags import rosbag2

    from mtv_perception.messages.typestore import builder, typestore

    store, build = typestore(), builder()
    writer = rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP)
    with writer:
        for name, (kind, encodings) in topics.items():
            connection = writer.add_connection(name, kind, typestore=store)
            for index, encoding in enumerate(encodings):
                stamp = 10**18 + index * 10**8
                if kind == RAW:
                    pixels = cv2.resize(picture(index), None, fx=scale, fy=scale)
                    message = build.image(pixels, "bgr8", build.header(stamp, "camera"))
                    message.encoding = encoding
                else:
                    message = store.types[kind](encoding)
                writer.write(connection, stamp, store.serialize_cdr(message, kind))
    return path


def cut_chunk(path):
    """A bag of one chunk that is cut inside it: none of its messages can be read."""
    bag(path, {"/image": (RAW, ["bgr8"] * 8)})
    file = next(path.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 6 // 10])
    return path


def cut_bag(path):
    """A bag of several chunks, of large images, whose end is missing."""
    bag(path, {"/image": (RAW, ["bgr8"] * 6)}, scale=10)
    file = next(path.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 8 // 10])
    return path


def coco(path, broken=False, category="person", bbox=(8, 10, 12, 20), images=4, **more):
    """A COCO set of a few images; keywords change or break it."""
    for index in range(images):
        data = jpeg(index)
        write(path / "images" / f"{index}.jpg", half(data) if broken and index == 1 else data)
    content = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": SIZE_HW[1], "height": SIZE_HW[0]}
            for i in range(images)
        ],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": list(bbox)} for i in range(images)
        ],
        "categories": [{"id": 1, "name": category}],
        **more,
    }
    write(path / "annotations.json", json.dumps(content))
    return path


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
"""What Git leaves in place of a large file that was not fetched."""


def coco_of_pointers(path, pattern):
    """A COCO set whose files of a pattern are pointers."""
    for file in coco(path).rglob(pattern):
        file.write_bytes(POINTER)
    return path


def model_copy(path, change):
    shutil.copytree(find_model("warehouse"), path)
    change(path)
    return path


def replayed(path):
    """A finished run over two images."""
    source = folder(path.with_name(f"{path.name}_images"), a_jpg=jpeg(0), b_jpg=jpeg(1))
    assert main(["replay", str(source), "--out", str(path), "--quiet"]) == 0
    return path


def cut_run(path):
    replayed(path)
    file = next(path.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:-200])
    return path


def other_run(path):
    """A run over an image of another time."""
    source = bag(path.with_name(f"{path.name}_bag"), {"/image": (RAW, ["bgr8"])})
    assert main(["replay", str(source), "--out", str(path), "--quiet"]) == 0
    return path


def pipe(path):
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    return path


def pipe_among_images(path):
    pipe(folder(path, a_jpg=jpeg(0)) / "b.jpg")
    return path


def train_file(path, text):
    return write(path.with_suffix(".yaml"), text)


def holed_video(path):
    """A video of ten frames, a fifth of whose bytes are zeros."""
    path = path.with_suffix(".avi")
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, SIZE_HW[::-1])
    for index in range(10):
        video.write(picture(index))
    video.release()
    content = path.read_bytes()
    hole = slice(2 * len(content) // 5, 3 * len(content) // 5)
    return write(path, content[: hole.start] + bytes(hole.stop - hole.start) + content[hole.stop :])


def unknown_key(path):
    spec = yaml.safe_load((path / "model.yaml").read_text())
    (path / "model.yaml").write_text(yaml.safe_dump({**spec, "octarine": 1}))


MAKERS = {
    "nothing": lambda path: path,
    "empty_folder": folder,
    "text": lambda path: write(path.with_suffix(".txt"), "some words\n"),
    "ros1_bag": lambda path: write(path.with_suffix(".bag"), b"#ROSBAG V2.0\n" + bytes(40)),
    "good": lambda path: folder(path, a_jpg=jpeg(0), b_jpg=jpeg(1)),
    "one_broken": lambda path: folder(path, a_jpg=jpeg(0), b_jpg=half(jpeg(1)), c_jpg=jpeg(2)),
    "all_broken": lambda path: folder(path, a_jpg=half(jpeg(0)), b_jpg=b"", c_jpg="<html>"),
    "pipe": lambda path: pipe(path.with_suffix(".jpg")),
    "pipe_bag": lambda path: pipe(path.with_suffix(".mcap")),
    "one_pipe": pipe_among_images,
    "no_video": lambda path: write(path.with_suffix(".mp4"), "no video"),
    "holed_video": holed_video,
    "heic": lambda path: folder(path, **{"a.heic": bytes(4) + b"ftypheic"}),
    "subfolders": lambda path: folder(path, day1__a_jpg=jpeg(), day2__a_jpg=jpeg()),
    "cameras": lambda path: bag(path, {"/a/image": (RAW, ["bgr8"] * 2)}),
    "cut_bag": cut_bag,
    "cut_chunk": cut_chunk,
    "empty_bag": lambda path: bag(path, {"/image": (RAW, [])}),
    "texts_bag": lambda path: bag(path, {"/chatter": ("std_msgs/msg/String", ["hello"])}),
    "depth_bag": lambda path: bag(path, {"/depth/image": (RAW, ["16UC1"] * 2)}),
    "odd_bag": lambda path: bag(path, {"/image": (RAW, ["bgr8", "nv12", "bgr8"])}),
    "nv12_bag": lambda path: bag(path, {"/image": (RAW, ["nv12"] * 2)}),
    "two_bags": lambda path: folder(path, **{"a.mcap": b"", "b.mcap": b""}),
    "zero_bag": lambda path: write(path.with_suffix(".mcap"), b""),
    "data": coco,
    "data_broken": lambda path: coco(path, broken=True),
    "data_dogs": lambda path: coco(path, category="dog"),
    "data_outside": lambda path: coco(path, bbox=(60, 40, 20, 20)),
    "data_empty": lambda path: coco(path, images=0),
    "data_no_boxes": lambda path: coco(path, annotations=[]),
    "data_json": lambda path: folder(path, **{"annotations.json": b'{"images": ['}),
    "data_pointers": lambda path: coco_of_pointers(path, "*.jpg"),
    "data_pointer": lambda path: coco_of_pointers(path, "*.json"),
    "pointer_bag": lambda path: write(path.with_suffix(".mcap"), POINTER),
    "pointer_model": lambda path: model_copy(
        path, lambda model: (model / "model.tflite").write_bytes(POINTER)
    ),
    "no_model": lambda path: folder(path, **{"model.yaml": "name: x\n"}),
    "wrong_hash": lambda path: model_copy(
        path, lambda model: (model / "model.tflite").write_bytes(b"other bytes")
    ),
    "wrong_key": lambda path: model_copy(path, unknown_key),
    "run": replayed,
    "run_cut": cut_run,
    "run_other": other_run,
    "yaml_list": lambda path: train_file(path, "- a\n- b\n"),
    "yaml_key": lambda path: train_file(path, "lerning_rate: 0.1\n"),
    "yaml_broken": lambda path: train_file(path, "a: [1\n"),
    "tolerances": lambda path: train_file(path, "mach_iou: 0.5\n"),
}


class Inputs:
    """Makes each input once, below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._made: dict[str, Path] = {}

    def __getitem__(self, name: str) -> Path:
        if name not in self._made:
            self._made[name] = MAKERS[name](self.root / name)
        return self._made[name]
