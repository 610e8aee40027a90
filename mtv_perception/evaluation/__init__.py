"""Measuring a model on labelled images, tuning its thresholds, and writing the report."""

__all__ = [
    "card",
    "check_page",
    "evaluate",
    "peers",
    "records",
    "report",
    "robustness",
    "settings",
    "trained",
    "tune",
]
