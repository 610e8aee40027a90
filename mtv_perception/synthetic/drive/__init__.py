"""A drive through a rendered hall.

Moving people and machines, a moving camera, and their exact truth.
"""

__all__ = ["record", "studio"]
