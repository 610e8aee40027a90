"""A progress bar over items, for commands that run without tqdm too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def with_progress(items: Iterable[T], total: int | None, name: str) -> Iterator[T]:
    """A bar on a terminal, where tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield from items
        return
    yield from tqdm(items, total=total, unit="image", desc=name, dynamic_ncols=True, disable=None)
