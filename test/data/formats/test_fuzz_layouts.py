"""Broken label files of every layout end in this package's own errors, or are read."""

import importlib.util
import json
import random
from pathlib import Path

import pytest

from mtv_perception.data.formats.base import ReadOptions
from mtv_perception.data.formats.open import DatasetConfig, class_names, find_splits, read_dataset
from mtv_perception.errors import DatasetError
from mtv_perception.labels import WAREHOUSE

_SPEC = importlib.util.spec_from_file_location("layouts", Path(__file__).with_name("layouts.py"))
layouts = importlib.util.module_from_spec(_SPEC)
__import__("sys").modules["layouts"] = layouts
_SPEC.loader.exec_module(layouts)

TEXT = {".json", ".xml", ".txt", ".yaml", ".names", ".data", ".csv"}
VALUES = (
    None, True, False, -1, 0, 1.5, 1e400, -1e400, float("nan"), 10**30, "", "x", "\0", "\ud800",
    "../../x", "a" * 5000, [], [[]], {}, [None], {"a": 1}, [1, 2, 3], [["x", "y"]], "1", "NaN",
)  # fmt: skip


def replace_value(rng, content):
    """JSON with the value at one random place replaced, or its key dropped."""
    places = []

    def visit(node):
        keys = node if isinstance(node, dict) else range(len(node))
        for key in list(keys):
            places.append((node, key))
            if isinstance(node[key], (dict, list)):
                visit(node[key])

    visit(content)
    if not places:  # An empty list or mapping.
        return rng.choice(VALUES)
    node, key = rng.choice(places)
    if rng.random() < 0.2:
        del node[key]
    else:
        node[key] = rng.choice(VALUES)
    return content


def mutate(rng, content, suffix):
    """Bytes of a label file with one thing wrong."""
    kind = rng.randrange(6)
    if kind < 3 and suffix == ".json":
        return json.dumps(replace_value(rng, json.loads(content))).encode("utf-8", "surrogatepass")
    if kind == 3 or not content:
        return content[: rng.randrange(len(content) + 1)]
    at = rng.randrange(len(content))
    if kind == 4:
        return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
    words = content.split(b" ")
    words[rng.randrange(len(words))] = rng.choice(
        [b"nan", b"inf", b"-1", b"1e999", b"", b"\xdf", b"9" * 400, b"0x1", b"<", b"&a;", b"!!int"]
    )
    return b" ".join(words)


def read_all(root):
    """Everything that looks at a data set."""
    for step in (
        lambda: find_splits(root),
        lambda: class_names([DatasetConfig(root)]),
        lambda: read_dataset(root, ReadOptions(WAREHOUSE)),
    ):
        try:
            step()
        except DatasetError as error:
            assert str(error)


def attack(root, rng, rounds):
    paths = sorted(p for p in root.rglob("*") if p.suffix in TEXT and p.is_file())
    for _ in range(rounds):
        path = rng.choice(paths)
        whole = path.read_bytes()
        path.write_bytes(mutate(rng, whole, path.suffix))
        try:
            read_all(root)
        except Exception as error:
            raise AssertionError(f"{path}: {path.read_bytes()[:2000]!r}") from error
        path.write_bytes(whole)


@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_broken_label_files_are_no_surprise(tmp_path, name):
    layouts.LAYOUTS[name].write(tmp_path / "floor")
    attack(tmp_path / "floor", random.Random(name), 25)


@pytest.mark.slow
@pytest.mark.parametrize("name", layouts.LAYOUTS)
def test_many_broken_label_files_are_no_surprise(tmp_path, name):
    layouts.LAYOUTS[name].write(tmp_path / "floor")
    attack(tmp_path / "floor", random.Random(f"{name} again"), 1000)
