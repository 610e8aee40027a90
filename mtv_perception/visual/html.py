"""Reports as one HTML file that needs nothing beside it: page, table, embedded picture."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from typing import Any

from mtv_perception.resources import write_whole

_PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1120px; margin: 2em auto; color: #222 }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: .25em .8em; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left }
img { max-width: 100% }
figcaption { color: #555 }
.good { color: #00694a } .bad { color: #a33b00 }
$style
</style></head><body>
<h1>$title</h1>
$body
</body></html>
""")


def write_page(path: Path, title: str, sections: Iterable[str], style: str = "") -> None:
    """Write a page, creating its folder.

    Args:
        path: the HTML file.
        title: plain text.
        sections: HTML, one after the other.
        style: CSS of this page alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    page = _PAGE.substitute(title=html.escape(title), body="\n".join(sections), style=style)
    write_whole(path, page.encode(errors="backslashreplace"))


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; floats get three digits, None a dash, everything else is escaped text."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else html.escape(str(value))


def picture(content: bytes, kind: str, alt: str = "") -> str:
    """An embedded picture.

    Args:
        content: of the file.
        kind: jpeg or png.
        alt: what it shows, plain text.
    """
    data = base64.b64encode(content).decode("ascii")
    return f'<img alt="{html.escape(alt)}" src="data:image/{kind};base64,{data}">'


def figure(pictures: Iterable[str], caption: str) -> str:
    """Pictures side by side over a plain-text caption."""
    return f"<figure>{''.join(pictures)}<figcaption>{html.escape(caption)}</figcaption></figure>"
