#!/usr/bin/env python3
"""Write the tables of docs/reference/parameters.md from what the nodes declare.

tools/parameter_table.py
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import yaml

from mtv_perception.config import rule_of, to_plain
from mtv_perception.ros.parameters import sections_of
from mtv_perception.ros.perception.config import SECTIONS
from mtv_perception.ros.ranging.settings import RangingSettings
from mtv_perception.ros.tools.recorder import RecorderConfig
from mtv_perception.ros.tools.replay_config import ReplayConfig
from mtv_perception.ros.tools.state_log import StateLogConfig
from mtv_perception.ros.tools.web_view import WebViewConfig
from mtv_perception.ros.zones.node import PARAMETERS as ZONES

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


def rows_of(sections: Iterable[type]) -> str:
    """A row for each parameter, in the order of the dataclasses."""
    rows = []
    for section in sections:
        hints, defaults = typing.get_type_hints(section), to_plain(section())
        for item in fields(section):
            rule = rule_of(item)
            allowed = ", ".join(f"`{choice}`" for choice in rule.choices)
            if rule.low is not None:
                allowed = f"{rule.low:g} .. {rule.high:g}"
            kind = _KINDS.get(hints[item.name], _OTHER_KIND)
            meaning = rule.help + (" Fixed." if rule.read_only else "")
            default = yaml.safe_dump(defaults[item.name], default_flow_style=True)
            default = default.removesuffix("...\n").strip()
            rows.append(f"| `{item.name}` | {kind} | `{default}` | {allowed} | {meaning} |\n")
    return "".join(rows)


def tables() -> dict[str, str]:
    """The rows of each node, by its program."""
    return {
        "perception_node": rows_of(SECTIONS.values()),
        "zones_node": "".join(
            f"| `{n}` | string | `''` |  | {text} |\n" for n, text in ZONES.items()
        ),
        "ranging_node": rows_of(sections_of(RangingSettings).values()),
        "recorder_node": rows_of([RecorderConfig]),
        "web_view_node": rows_of([WebViewConfig]),
        "image_replay_node": rows_of([ReplayConfig]),
        "state_log_node": rows_of([StateLogConfig]),
    }


def page() -> str:
    """The page with the tables as they should be; what stands between them stays."""
    text = PAGE.read_text(encoding="utf-8")
    for node, rows in tables().items():
        pattern = rf"## {node}\n(?:(?!## |\|).*\n)*{re.escape(_HEAD)}((?:\|.*\n)*)"
        found = re.search(pattern, text)
        if found is None:
            raise SystemExit(f"{PAGE}: expected `## {node}` and a table below it.")
        text = text[: found.start(1)] + rows + text[found.end(1) :]
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
