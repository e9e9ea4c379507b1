"""Training on one set, testing on others that share its classes: ImageNet-A, -R, -Sketch, -C and their like."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dinov2.errors import DataError
from dinov2.evaluation.sets.classes.folders import TEST, TRAIN, by_class, classification
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.listing import folders
from dinov2.evaluation.sets.splits import GIVEN
from dinov2.evaluation.sets.task import Classification, Image, Part

SEVERITIES = frozenset("12345")


def fits(folder: Path) -> bool:
    """Whether folders other than those of a split lie beside `train`, with folders in them."""
    return (folder / TRAIN).is_dir() and any(folders(each) for each in _others(folder))


def read(folder: Path) -> Classification:
    """`folder/train/CLASS/...`, and every other folder as a test that shares its classes.

    A test is laid out as folders of classes, of which it may have a subset (ImageNet-A and -R have 200 of 1000), or as
    CORRUPTION/SEVERITY/CLASS (ImageNet-C, Hendrycks & Dietterich 2019), which gives a test for each of the two, named
    "CORRUPTION/SEVERITY". Answers are taken among the classes that the test has, as is published for -A and -R; but for
    val/ or test/, among all. A folder of images without classes, as ImageNet's own test, is left out.

    Raises:
        DataError: a folder is named for no training class.
    """
    train = by_class(folder, folder / TRAIN)
    judged = [each for each in folders(folder) if each.name != TRAIN and folders(each)]
    tests = {name: test for each in judged for name, test in _tests(folder, each)}
    _check(folder, train, tests)
    task = classification(folder, train, tests, GIVEN)
    shared = {name: _among(part, task.trained) for name, part in task.tests.items() if name not in TEST}
    return replace(task, tests={**task.tests, **shared})


def _others(folder: Path) -> list[Path]:
    return [each for each in folders(folder) if each.name not in (TRAIN, *TEST)]


def _tests(root: Path, folder: Path) -> list[tuple[str, dict[str, list[Image]]]]:
    """The tests in one folder, by name."""
    levels = [(each, level) for each in folders(folder) for level in folders(each) if level.name in SEVERITIES]
    if levels:
        return [(f"{each.name}/{level.name}", by_class(root, level)) for each, level in levels]
    return [(folder.name, by_class(root, folder))]


def _check(folder: Path, train: Mapping[str, list[Image]], tests: Mapping[str, Mapping[str, list[Image]]]) -> None:
    trained = {name for name, own in train.items() if own}
    for name, test in tests.items():
        if foreign := sorted(test.keys() - trained):
            raise DataError(f"{folder}: {name}/{foreign[0]} is named for no class of {TRAIN}/; {len(foreign)} such")


def _among(part: Part, trained: int) -> Part:
    present = tuple(sorted(set(part.labels.tolist())))
    return part if len(present) == trained else replace(part, among=present)


SHIFTED = Layout("train/ and other folders of the same classes, or of CORRUPTION/SEVERITY/CLASS", fits, read)
