"""What a layout on disk is read as: images, the truth about them, and which of them teach and which examine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels of the stored image, the last two exclusive."""

IGNORE = -1
"""The class of a pixel that counts neither in training nor in a metric."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image file; small, since a set may have millions.

    Attributes:
        key: names it within its set: its path from `folder`, with slashes.
        folder: of the set.
        box: the part of it that is shown; None is all of it.
    """

    key: str
    folder: Path
    box: Box | None = None

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.folder / self.key


@dataclass(frozen=True)
class Part:
    """Labelled images.

    Attributes:
        images: N of them.
        labels: (N,) int64 numbers into the task's classes.
        among: the numbers that an answer may be, where the part has a subset of the classes; None is all.
    """

    images: tuple[Image, ...]
    labels: np.ndarray
    among: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Classification:
    """Classes of images.

    Attributes:
        name: of the set.
        classes: the `trained` classes that have training images, then those that only test images have: no protocol
            can get these right, and they count as errors.
        trained: how many classes have training images.
        train: what protocols learn from.
        tests: by name: "test" for an ordinary set; the sets that share its labels where robustness is asked for.
        split: how training and test images were told apart, in words.
    """

    name: str
    classes: tuple[str, ...]
    trained: int
    train: Part
    tests: Mapping[str, Part]
    split: str


@dataclass(frozen=True)
class Level:
    """What counts as found, for each of Q queries: numbers of database images.

    Attributes:
        positives: (Q,) arrays; a query without any takes no part.
        ignored: (Q,) arrays of images that are neither right nor wrong and are taken out of the ranking.
    """

    positives: tuple[np.ndarray, ...]
    ignored: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Retrieval:
    """The same place or thing in other images; `levels` by name, such as "medium" and "hard", or "all"."""

    name: str
    queries: tuple[Image, ...]
    database: tuple[Image, ...]
    levels: Mapping[str, Level]


@dataclass(frozen=True)
class Copies:
    """Edited copies of images.

    Attributes:
        name: of the set.
        queries: Q images.
        database: images that they may be copies of.
        truth: (P, 2) int64: query number and database number of every true pair; a query may have none.
        edits: (Q,) what was done to each query, "" where nothing is said.
    """

    name: str
    queries: tuple[Image, ...]
    database: tuple[Image, ...]
    truth: np.ndarray
    edits: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """An image and the file of its truth for every pixel."""

    image: Image
    truth: Path


@dataclass(frozen=True)
class Dense:
    """Classes of pixels.

    Attributes:
        name: of the set.
        classes: K names.
        numbers: (values,) int16: the class of each value that a mask may store, `IGNORE` for none; a value beyond it,
            or one that it holds `UNKNOWN` for, is an error.
        train: what protocols learn from.
        test: what they are judged by.
        split: see `Classification`.
    """

    name: str
    classes: tuple[str, ...]
    numbers: np.ndarray
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    split: str


UNKNOWN = -2
"""In `Dense.numbers`: a value that no mask of the set may store."""


@dataclass(frozen=True)
class Depth:
    """Distance of every pixel.

    Attributes:
        name: of the set.
        metres: metres in one unit of the stored maps; 0 is no reading.
        near: least depth that counts, in metres.
        far: greatest depth that counts, in metres.
        judged: the part of a test map that counts, as shares (top, bottom, left, right) of its height and width.
        train: what protocols learn from.
        test: what they are judged by.
        skipped: pairs of the lists that have no map.
        split: see `Classification`.
    """

    name: str
    metres: float
    near: float
    far: float
    judged: tuple[float, float, float, float]
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    skipped: int
    split: str


@dataclass(frozen=True)
class Clip:
    """A video file, or a folder of its frames in the order of their names."""

    key: str
    path: Path


@dataclass(frozen=True)
class Video:
    """Classes of clips; the attributes are as `Classification`'s, with clips for images."""

    name: str
    classes: tuple[str, ...]
    trained: int
    train: tuple[Clip, ...]
    train_labels: np.ndarray
    test: tuple[Clip, ...]
    test_labels: np.ndarray
    split: str


Task = Classification | Retrieval | Copies | Dense | Depth | Video
