"""Files that Git LFS did not fetch: the error says so, whatever they stand in place of."""

import importlib.util
from pathlib import Path

import pytest

from mtv_perception.bags.reader import BagSource
from mtv_perception.compare.golden import read_golden
from mtv_perception.config import read_yaml
from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import read_dataset
from mtv_perception.errors import MtvError
from mtv_perception.labels import WAREHOUSE
from mtv_perception.media.files import lazy_files

_SPEC = importlib.util.spec_from_file_location("layouts", Path(__file__).with_name("layouts.py"))
layouts = importlib.util.module_from_spec(_SPEC)
__import__("sys").modules["layouts"] = layouts
_SPEC.loader.exec_module(layouts)

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
SAYS = "a Git LFS pointer; fetch the file: git lfs pull"


@pytest.mark.parametrize(
    ("layout", "pattern"),
    [
        *((layouts.own_coco, pattern) for pattern in ("*.jpg", "*.json")),
        (layouts.label_studio_coco, "*.json"),
        *((layouts.roboflow_yolo, pattern) for pattern in ("*.jpg", "*.txt", "*.yaml")),
        *((layouts.cvat_yolo, pattern) for pattern in ("obj.data", "obj.names", "*.txt")),
        *((layouts.cvat_images, pattern) for pattern in ("*.jpg", "*.xml")),
        *((layouts.voc_three_folders, pattern) for pattern in ("*.xml", "*.txt")),
        *((layouts.labelme, pattern) for pattern in ("*.jpg", "*.json")),
        (layouts.supervisely, "*.json"),
        *((layouts.reference_list, pattern) for pattern in ("*.csv", "*.json", "masks/*")),
        *((layouts.semantic, pattern) for pattern in ("*.jpg", "*.png", "*.txt")),
    ],
)
def test_files_of_data_sets(tmp_path, layout, pattern):
    layout(tmp_path)
    found = list(tmp_path.rglob(pattern))
    assert found
    for path in found:
        path.write_bytes(POINTER)
    with pytest.raises(MtvError) as caught:
        read_dataset(tmp_path, ReadOptions(WAREHOUSE))
    text = str(caught.value)
    assert SAYS in text and any(path.name in text for path in found)


@pytest.mark.parametrize("name", ["metadata.yaml", "run_0.mcap", "run_0.db3"])
def test_files_of_bags(tmp_path, name):
    (tmp_path / name).write_bytes(POINTER)
    (tmp_path / "run_0.mcap").write_bytes(POINTER)
    with pytest.raises(MtvError, match=SAYS), BagSource(tmp_path):
        pass


@pytest.mark.parametrize("read", [read_yaml, read_golden, lambda path: list(lazy_files(path))])
def test_other_files(tmp_path, read):
    path = tmp_path / "run.mp4"
    path.write_bytes(POINTER)
    with pytest.raises(MtvError, match=SAYS):
        read(path)
