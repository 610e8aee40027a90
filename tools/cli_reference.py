#!/usr/bin/env python3
"""Write docs/reference/cli.md from the options that every `mtv` command declares.

tools/cli_reference.py
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mtv_perception.cli.main import COMMANDS, make_parser

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
WIDTH = "98"
_HEAD = """# Commands

`mtv COMMAND --help` prints the same. Exit status: 0 when all was done, 1 when a part failed, 2 when
nothing was done or the options are wrong. `tools/cli_reference.py` writes this page.
"""


def subparser(command: str) -> argparse.ArgumentParser:
    """The parser of one command, with its options."""
    actions = make_parser(command)._actions
    (commands,) = (item for item in actions if isinstance(item, argparse._SubParsersAction))
    parser: argparse.ArgumentParser = commands.choices[command]
    return parser


def page() -> str:
    """The whole page as Markdown."""
    os.environ["COLUMNS"] = WIDTH
    parts = [_HEAD]
    for command, summary in COMMANDS.items():
        text = subparser(command).format_help().rstrip()
        parts.append(f"## mtv {command}\n\n{summary}\n\n```text\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
