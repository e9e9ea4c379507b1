"""Kinds of tasks, one file each, and which protocols judge them."""

from dinov2.evaluation.sets.task import Classification, Copies, Dense, Depth, Retrieval, Task, Video
from dinov2.evaluation.tasks.classification import CLASSIFICATION, LABELLED
from dinov2.evaluation.tasks.copies import COPIES
from dinov2.evaluation.tasks.depth import DEPTH
from dinov2.evaluation.tasks.kind import AnyKind, Clock, Kind, Setting
from dinov2.evaluation.tasks.problem import Problem
from dinov2.evaluation.tasks.retrieval import RETRIEVAL
from dinov2.evaluation.tasks.segmentation import SEGMENTATION
from dinov2.evaluation.tasks.video import VIDEO

Judged = Task | Problem
"""A set in a folder, or a labelled source of a manifest."""

TASKS: dict[type[Judged], AnyKind] = {
    Problem: LABELLED,
    Classification: CLASSIFICATION,
    Retrieval: RETRIEVAL,
    Copies: COPIES,
    Dense: SEGMENTATION,
    Depth: DEPTH,
    Video: VIDEO,
}

__all__ = ["TASKS", "Clock", "Judged", "Kind", "Setting"]
