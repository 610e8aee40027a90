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


def subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of a parser's commands, with their options."""
    found = [item for item in parser._actions if isinstance(item, argparse._SubParsersAction)]
    return {name: sub for item in found for name, sub in item.choices.items()}


def page() -> str:
    """The whole page as Markdown."""
    os.environ["COLUMNS"] = WIDTH
    parts = [_HEAD]
    for command, summary in COMMANDS.items():
        parser = subparsers(make_parser(command))[command]
        parts.append(f"## mtv {command}\n\n{summary}\n\n{_help(parser)}")
        for task, inner in subparsers(parser).items():
            parts.append(f"### mtv {command} {task}\n\n{_help(inner)}")
    return "\n".join(parts)


def _help(parser: argparse.ArgumentParser) -> str:
    return f"```text\n{parser.format_help().rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
