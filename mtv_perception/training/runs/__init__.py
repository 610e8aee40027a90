"""The records of a training run: log, provenance, average."""

__all__ = ["averaging", "log", "provenance"]
