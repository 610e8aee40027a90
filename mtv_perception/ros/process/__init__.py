"""A node as a process: its checks, its start, its signals and its end."""
