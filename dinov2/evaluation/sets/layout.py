"""One way of laying out a set on disk."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dinov2.evaluation.sets.task import Task


@dataclass(frozen=True)
class Layout:
    """How a set is told by its folder, and how it is read.

    Attributes:
        drawn: what lies in the folder, in words.
        fits: whether a folder looks like it; reads names only.
        read: the task; raises DataError with the name of the file that is not as it should be.
    """

    drawn: str
    fits: Callable[[Path], bool]
    read: Callable[[Path], Task]
