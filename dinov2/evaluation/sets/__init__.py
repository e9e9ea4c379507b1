"""Sets to evaluate on: one file for each layout on disk, all read as the tasks of `task.py`."""

from dinov2.evaluation.sets.layouts import LAYOUTS, read_set

__all__ = ["LAYOUTS", "read_set"]
