"""A node as a process: its checks, its start, its signals and its end."""

__all__ = ["main", "params_file", "processes", "spin"]
