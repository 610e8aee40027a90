"""The zones node and its parts."""
