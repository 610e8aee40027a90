"""Label files of one object a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path


def read_lines(path: Path, where: str) -> tuple[list[tuple[int, str]], list[str]]:
    """The lines that are not blank, stripped, each with its number from 1, and the faults.

    Args:
        path: a text file with LF or CRLF, with or without a byte-order mark.
        where: its name in the faults.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"{where}: expected a text file, could not read it: {error}"]
    return [
        (number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()
    ], []


def parse_numbers(cells: Sequence[str]) -> list[float]:
    """The finite numbers in the cells, or nothing where one is none."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
