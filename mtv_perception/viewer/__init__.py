"""Runs in the Rerun viewer."""

__all__ = ["rerun_view"]
