"""A sentence about a set: what is in it, and which of it teaches."""

from collections.abc import Mapping

import numpy as np

from dinov2.evaluation.controls import chance
from dinov2.evaluation.sets.task import Classification, Copies, Dense, Depth, Retrieval, Video
from dinov2.evaluation.tasks import Judged
from dinov2.evaluation.tasks.problem import Problem, of_folder


def about(task: Judged) -> str:
    """What a report says of a set."""
    if isinstance(task, Classification):
        return about(of_folder(task))
    if isinstance(task, Problem):
        tests = {name: len(each.items) for name, each in task.tests.items()}
        told = f"{len(task.classes):,} classes; {_split(len(task.train.items), tests, 'images')}; split: {task.split}"
        told += _unseen(task.trained, np.concatenate([each.labels_n for each in task.tests.values()]), "images")
        if not task.ordinary:
            return told
        best = chance(task.train.labels_n, task.tests[task.ordinary].labels_n)
        return f"{told}; always answering the largest class is right in {100 * best:.1f}%"
    if isinstance(task, Retrieval):
        return f"{len(task.queries):,} queries, {len(task.database):,} images; levels: {', '.join(task.levels)}"
    if isinstance(task, Copies):
        return f"{len(task.queries):,} queries, {len(task.database):,} images, {len(task.truth):,} true pairs"
    if isinstance(task, Video):
        split = _split(len(task.train), {"test": len(task.test)}, "clips")
        unseen = _unseen(task.trained, task.test_labels, "clips")
        return f"{len(task.classes):,} classes; {split}; split: {task.split}{unseen}"
    what = f"{len(task.classes):,} classes of pixels" if isinstance(task, Dense) else _range(task)
    return f"{what}; {_split(len(task.train), {'test': len(task.test)}, 'images')}; split: {task.split}"


def _range(task: Depth) -> str:
    """How far it reaches, and what was left out."""
    return f"depth from {task.near:g} to {task.far:g} m" + (f", {task.skipped:,} without a map" if task.skipped else "")


def _unseen(trained: int, labels_n: np.ndarray, what: str) -> str:
    """How many test images no protocol can get right."""
    unseen = labels_n[labels_n >= trained]
    if not len(unseen):
        return ""
    classes = len(np.unique(unseen))
    return f"; {len(unseen):,} test {what}, of {classes:,} classes without training {what}, count as errors"


def _split(train: int, tests: Mapping[str, int], what: str) -> str:
    return ", ".join([f"{train:,} training {what}", *(f"{count:,} {name} {what}" for name, count in tests.items())])
