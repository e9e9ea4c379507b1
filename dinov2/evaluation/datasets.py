"""The labelled sets of a manifest, as evaluation sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dinov2.data.stream import Row
from dinov2.errors import DataError

COLUMNS = ["key", "uri", "sha256", "source", "split", "label"]


@dataclass(frozen=True)
class LabelledSet:
    """One source's labelled images: rows of the manifest and, in the same order, indices into `classes`.

    Attributes:
        classes: the `trained` classes that have training images, then those that only test images have.
    """

    name: str
    classes: tuple[str, ...]
    trained: int
    train: list[Row]
    test: list[Row]
    train_labels: np.ndarray
    test_labels: np.ndarray

    def unseen(self) -> np.ndarray:
        """(test,) bool: images whose class has no training image; no protocol can get them right."""
        return self.test_labels >= self.trained


@dataclass(frozen=True)
class Sets:
    """What can be evaluated, and why the rest cannot: sentences by name of the set."""

    usable: list[LabelledSet]
    skipped: dict[str, str]


def labelled_sets(manifest: pa.Table, names: Sequence[str]) -> Sets:
    """The sets called `names`, or with none given every source that has labels, by name.

    Raises:
        DataError: a set asked for by name does not exist, has no labels or cannot be evaluated.
    """
    labelled = manifest.select(COLUMNS).filter(pc.is_valid(manifest["label"]))
    present = sorted(pc.unique(labelled["source"]).to_pylist())
    usable, skipped = [], {}
    for name in names or present:
        if name not in present:
            raise DataError(
                f"evaluate.datasets: {name!r} has no labelled image; labelled: {', '.join(present) or 'none'}"
            )
        rows = labelled.filter(pc.equal(labelled["source"], name)).to_pylist()
        fault = _fault(rows)
        if fault and names:
            raise DataError(f"evaluate.datasets: {name!r} {fault}")
        if fault:
            skipped[name] = fault
        else:
            usable.append(_labelled_set(name, rows))
    return Sets(usable, skipped)


def _fault(rows: list[Row]) -> str:
    """Why the rows cannot be evaluated, or nothing."""
    trained = {row["label"] for row in rows if row["split"] == "train"}
    if not trained:
        return "has no labelled training image; lower its test_fraction"
    if len(trained) == 1:
        return f"has one class only in its training images, {trained.pop()!r}; at least two are needed"
    if all(row["split"] == "train" for row in rows):
        return "has no labelled test image; raise its test_fraction"
    return ""


def _labelled_set(name: str, rows: list[Row]) -> LabelledSet:
    train, test = ([row for row in rows if row["split"] == split] for split in ("train", "test"))
    trained = {row["label"] for row in train}
    classes = (*sorted(trained), *sorted({row["label"] for row in test} - trained))
    number = {label: index for index, label in enumerate(classes)}
    labels = (np.array([number[row["label"]] for row in part], dtype=np.int64) for part in (train, test))
    return LabelledSet(name, classes, len(trained), train, test, *labels)
