"""A progress bar, where tqdm is installed: a robot has none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], **options: Any) -> Iterator[T]:
    """The items, with tqdm's bar and options where tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return iter(items)
    return iter(tqdm(items, **options))
