"""Minimum-cost assignment.

Source: Jonker & Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
assignment problems" (1987), in the form of Crouse, "On implementing 2D rectangular assignment
algorithms" (2016), algorithm 1.
"""

from __future__ import annotations

import numpy as np


def assign(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair rows with columns so that the sum of costs is smallest.

    Every row or every column is paired.

    Args:
        costs: `(N, M)`, finite.

    Returns:
        Rows in rising order and their columns, `(min(N, M),)` int64 each.
    """
    if costs.ndim != 2 or not np.isfinite(costs).all():
        raise ValueError(f"Expected finite costs (N, M), got shape {costs.shape}.")
    if costs.shape[0] > costs.shape[1]:
        columns, rows = assign(costs.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    return np.arange(len(costs)), _assign_all_rows(costs.astype(np.float64))


def _assign_all_rows(costs: np.ndarray) -> np.ndarray:
    count, width = costs.shape
    row_prices, column_prices = np.zeros(count), np.zeros(width)
    column_of, row_of = np.full(count, -1), np.full(width, -1)
    for start in range(count):
        shortest, before = np.full(width, np.inf), np.full(width, -1)
        open_columns, visited_rows = np.ones(width, bool), []
        row, length = start, 0.0
        while True:
            visited_rows.append(row)
            reduced = length + costs[row] - row_prices[row] - column_prices
            better = open_columns & (reduced < shortest)
            shortest[better], before[better] = reduced[better], row
            sink = int(np.argmin(np.where(open_columns, shortest, np.inf)))
            length, open_columns[sink] = float(shortest[sink]), False
            if row_of[sink] < 0:
                break
            row = int(row_of[sink])
        _raise_prices(
            row_prices, column_prices, visited_rows, column_of, shortest, ~open_columns, length
        )
        while True:
            row = int(before[sink])
            row_of[sink] = row
            column_of[row], sink = sink, int(column_of[row])
            if row == start:
                break
    return column_of


def _raise_prices(
    row_prices: np.ndarray,
    column_prices: np.ndarray,
    visited_rows: list[int],
    column_of: np.ndarray,
    shortest: np.ndarray,
    closed: np.ndarray,
    length: float,
) -> None:
    start, others = visited_rows[0], visited_rows[1:]
    row_prices[start] += length
    row_prices[others] += length - shortest[column_of[others]]
    column_prices[closed] -= length - shortest[closed]
