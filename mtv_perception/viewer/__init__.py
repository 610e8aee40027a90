"""Runs in the Rerun viewer."""
