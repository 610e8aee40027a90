"""Hypothesis' profile for the geometry tests: no deadline, because other work may share the
machine.
"""

from hypothesis import settings

settings.register_profile("shared machine", deadline=None, max_examples=100)
settings.load_profile("shared machine")
