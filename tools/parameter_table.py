#!/usr/bin/env python3
"""Write the table of docs/reference/parameters.md from the dataclasses of the perception node.

tools/parameter_table.py
"""

from __future__ import annotations

import re
import typing
from dataclasses import fields
from pathlib import Path

import yaml

from mtv_perception.config import rule_of, to_plain
from mtv_perception.ros.perception.config import SECTIONS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "parameters.md"
_HEAD = "| parameter | type | default | allowed | meaning |\n|---|---|---|---|---|\n"
_KINDS = {
    bool: "bool",
    int: "int",
    float: "double",
    str: "string",
    tuple[float, ...]: "double[]",
}
_OTHER_KIND = "string[]"


def table() -> str:
    """A row for each parameter, in the order of the dataclasses."""
    rows = []
    for section in SECTIONS.values():
        hints, defaults = typing.get_type_hints(section), to_plain(section())
        for item in fields(section):
            rule = rule_of(item)
            allowed = ", ".join(f"`{choice}`" for choice in rule.choices)
            if rule.low is not None:
                allowed = f"{rule.low:g} .. {rule.high:g}"
            kind = _KINDS.get(hints[item.name], _OTHER_KIND)
            meaning = rule.help + (" Fixed." if rule.read_only else "")
            default = yaml.safe_dump(defaults[item.name]).removesuffix("...\n").strip()
            rows.append(f"| `{item.name}` | {kind} | `{default}` | {allowed} | {meaning} |\n")
    return _HEAD + "".join(rows)


def page() -> str:
    """The page with the table as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(re.escape(_HEAD) + r"(\|.*\n)*", text)
    if found is None:
        raise SystemExit(f"{PAGE}: expected a table that begins with {_HEAD.splitlines()[0]!r}.")
    return text[: found.start()] + table() + text[found.end() :]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
