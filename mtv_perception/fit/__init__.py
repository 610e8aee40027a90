"""From labelled images to a model folder in one call.

Split, plan, train, export, tune, judge, report.
"""

__all__ = ["fit", "options"]
