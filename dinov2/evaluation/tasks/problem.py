"""A set of labelled images, wherever these are: what protocols of classification judge on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dinov2.data.sources import ImageReader
from dinov2.evaluation.datasets import LabelledSet
from dinov2.evaluation.features import Item, ManifestImage, folder_images
from dinov2.evaluation.sets.classes.folders import TEST
from dinov2.evaluation.sets.splits import GIVEN
from dinov2.evaluation.sets.task import Classification, Part

BY_SOURCE = "as the source and its test_fraction say"


@dataclass(frozen=True)
class Labelled:
    """Images and the class of each; see `Part`."""

    items: Sequence[Item]
    labels_n: np.ndarray
    among: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Problem:
    """As `Classification`, of any items."""

    name: str
    trained: int
    train: Labelled
    tests: Mapping[str, Labelled]
    classes: Sequence[str] = ()
    split: str = GIVEN

    @property
    def ordinary(self) -> str | None:
        """The name of the test that is of the same kind as the training images, if there is one."""
        return next((name for name in TEST if name in self.tests), None)

    @property
    def others(self) -> tuple[str, ...]:
        """The names of the other tests."""
        return tuple(name for name in self.tests if name != self.ordinary)


def of_folder(task: Classification) -> Problem:
    """The problem of a set in a folder."""
    tests = {name: _labelled(part) for name, part in task.tests.items()}
    return Problem(task.name, task.trained, _labelled(task.train), tests, task.classes, task.split)


def of_manifest(dataset: LabelledSet, reader: ImageReader) -> Problem:
    """The problem of a labelled source of a manifest."""
    train, test = (
        Labelled([ManifestImage(reader, row) for row in rows], labels)
        for rows, labels in ((dataset.train, dataset.train_labels), (dataset.test, dataset.test_labels))
    )
    return Problem(dataset.name, dataset.trained, train, {TEST[0]: test}, dataset.classes, BY_SOURCE)


def _labelled(part: Part) -> Labelled:
    return Labelled(folder_images(part.images), part.labels, part.among)
