"""Every command with every wrong input, run for real; and the page that is written from it."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest

from mtv_perception.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]


def load(path):
    spec = importlib.util.spec_from_file_location(f"wrong_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


page = load(ROOT / "tools" / "wrong_inputs.py")
inputs_module = load(ROOT / "test" / "wrong_inputs" / "inputs.py")
CASES, FACTS = page.CASES, page.FACTS
NEEDS_TENSORFLOW = ("init", "fit", "train", "average", "export", "summary")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, model):
    pytest.importorskip("rosbags", reason="needs rosbags")
    return inputs_module.Inputs(tmp_path_factory.mktemp("inputs"))


def said_in_order(parts, text):
    """The first part that is not found behind the one before; "" where all are."""
    at = 0
    for part in filter(None, (part.strip() for part in parts.split("..."))):
        at = text.find(part, at)
        if at < 0:
            return part
        at += len(part)
    return ""


def hide(monkeypatch, package):
    """As if a package were not installed."""
    monkeypatch.setitem(sys.modules, package, None)
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.setitem(sys.modules, name, None)


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.command} {case.given}".replace(" ", "-")
)
def test_a_wrong_input(case, inputs, tmp_path, capfd, monkeypatch):
    if case.command in NEEDS_TENSORFLOW:
        pytest.importorskip("tensorflow", reason="needs TensorFlow")
    if case.command == "synth":
        pytest.importorskip("moderngl", reason="needs moderngl")
    names = re.findall(r"\{(\w+)\}", case.arguments)
    values = {name: tmp_path / "out" if name == "out" else inputs[name] for name in names}
    before = {path: path.stat().st_mtime_ns for path in inputs.root.rglob("*")}
    for package in case.without:
        hide(monkeypatch, package)
    capfd.readouterr()
    try:
        status = main([*case.command.split(), *shlex.split(case.arguments.format(**values))])
    except SystemExit as end:
        status = end.code
    out, error = capfd.readouterr()
    text = " ".join(f"{error if error.startswith('mtv') else ''} {out} {error}".split())
    missing = said_in_order(case.says, text)
    assert (status, missing) == (case.status, ""), text
    assert "Traceback" not in text
    assert {path: path.stat().st_mtime_ns for path in inputs.root.rglob("*")} == before


def test_every_command_and_task_has_its_rows():
    tasks = ("check", "import", "upright", "pseudo-masks")
    commands = {name for name in COMMANDS if name != "data"} | {f"data {task}" for task in tasks}
    assert {case.command for case in CASES} == commands


def test_every_node_has_its_rows():
    programs = {path.name for path in (ROOT / "scripts").glob("*_node")}
    assert {fact.node for fact in FACTS} - {page.EVERY} == programs


def test_no_row_stands_twice():
    keys = [(row.command, row.given) for row in CASES] + [(row.node, row.given) for row in FACTS]
    assert len(keys) == len(set(keys))


def test_the_page_is_up_to_date():
    assert page.page() == page.PAGE.read_text(encoding="utf-8"), "run tools/wrong_inputs.py"


def test_a_fact_without_its_test_is_no_fact():
    lost = page.Fact("x", "y", "z", "test_startup.py::test_that_nobody_wrote")
    with pytest.raises(SystemExit, match="test_that_nobody_wrote"):
        page.line_of_fact(lost)
