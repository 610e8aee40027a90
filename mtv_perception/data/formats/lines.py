"""Label files of one object a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from mtv_perception.data.formats.files import read_text
from mtv_perception.errors import DatasetError


def read_lines(path: Path, where: str) -> tuple[list[tuple[int, str]], list[str]]:
    """The lines that are not blank, stripped, each with its number from 1, and the faults.

    Args:
        path: a text file with LF or CRLF, with or without a byte-order mark.
        where: its name in the faults.
    """
    try:
        lines = read_text(path).splitlines()
    except DatasetError as error:
        return [], [f"{where}: {str(error).removeprefix(f'{path}: ')}"]
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
