#!/usr/bin/env python3
"""Write docs/reference/wrong-inputs.md from the cases that the tests run.

tools/wrong_inputs.py
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "wrong-inputs.md"
_HEAD = """# Wrong inputs

What commands and nodes do with inputs that are missing, empty, partial or broken. Each row of a
command is run by `test/wrong_inputs/test_wrong_inputs.py`: the exit status, the words and the
inputs, which stay as they are. A row of a node names the test that holds it.
`tools/wrong_inputs.py` writes this page.

Exit status: 0 when all was done, 1 when a part failed, 2 when nothing was done or the options are
wrong. `...` stands for other words. [Images, videos and bags](inputs.md) tells what is read.
"""


def _load(name: str) -> ModuleType:
    path = ROOT / "test" / "wrong_inputs" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"wrong_inputs_{name}", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: expected the cases of the tests.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_nodes = _load("nodes")
CASES: tuple[Any, ...] = _load("commands").CASES
FACTS: tuple[Any, ...] = _nodes.FACTS
EVERY: str = _nodes.EVERY
Fact: Any = _nodes.Fact


def line_of_case(case: Any) -> str:
    """A command's row."""
    call = re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), case.arguments) or "-"
    shown = "" if case.says.endswith("...") else " ..."
    return f"| {case.given} | `{call}` | {case.status} | `{case.says}{shown}` |"


def line_of_fact(fact: Any) -> str:
    """A node's row; the test it names must be there."""
    file, name = fact.test.split("::")
    path = ROOT / "test" / "ros" / file
    if not path.is_file() or f"\ndef {name}(" not in path.read_text(encoding="utf-8"):
        raise SystemExit(f"{path}: expected a test {name}, found none.")
    return f"| {fact.given} | {fact.answer} | `{file}`: `{name}` |"


def _parts() -> Iterator[str]:
    yield _HEAD
    for command in dict.fromkeys(case.command for case in CASES):
        rows = [line_of_case(case) for case in CASES if case.command == command]
        yield f"## mtv {command}\n\n| input | arguments | status | says |\n|---|---|---|---|"
        yield "\n".join(rows) + "\n"
    for node in dict.fromkeys(fact.node for fact in FACTS):
        rows = [line_of_fact(fact) for fact in FACTS if fact.node == node]
        yield f"## {node}\n\n| input | answer | test |\n|---|---|---|"
        yield "\n".join(rows) + "\n"


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join(_parts())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
