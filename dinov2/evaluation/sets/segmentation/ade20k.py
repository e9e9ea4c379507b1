"""ADE20K as SceneParse150 (Zhou et al. 2017): 150 classes."""

from pathlib import Path

from dinov2.errors import DataError
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.listing import lines
from dinov2.evaluation.sets.segmentation.masks import numbered
from dinov2.evaluation.sets.segmentation.paired import mirrored
from dinov2.evaluation.sets.splits import GIVEN
from dinov2.evaluation.sets.task import Dense

COUNT = 150
NAMES = "objectInfo150.txt"
PARTS = ("training", "validation")


def fits(folder: Path) -> bool:
    """Whether it has images/training and annotations/training."""
    return all((folder / kind / PARTS[0]).is_dir() for kind in ("images", "annotations"))


def read(folder: Path) -> Dense:
    """images/training and images/validation with their masks in annotations/; 0, "other objects", does not count.

    Raises:
        DataError: an image has no mask, a mask no image, or the list of names is not of 150.
    """
    train, test = (mirrored(folder, folder / "images" / part, folder / "annotations" / part) for part in PARTS)
    numbers = numbered({value: value - 1 for value in range(1, COUNT + 1)}, (0,))
    return Dense(folder.name, _names(folder / NAMES), numbers, train, test, GIVEN)


def _names(path: Path) -> tuple[str, ...]:
    """The last column of the published table, or numbers where the table is not there."""
    if not path.is_file():
        return tuple(str(value) for value in range(1, COUNT + 1))
    names = tuple(line.split("\t")[-1].split(",")[0].strip() for _, line in list(lines(path))[1:])
    if len(names) != COUNT:
        raise DataError(f"{path}: {len(names)} classes, not {COUNT}")
    return names


ADE20K = Layout("images/training, annotations/training and the same of validation", fits, read)
