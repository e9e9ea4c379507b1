"""CamVid-like sets: images/ and masks/ of equal names, and perhaps an index and a list of classes beside them."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.listing import key, lines, table
from dinov2.evaluation.sets.segmentation.masks import numbered, stored_map
from dinov2.evaluation.sets.segmentation.paired import mirrored
from dinov2.evaluation.sets.splits import APART, GIVEN, apart
from dinov2.evaluation.sets.task import Dense, Pair

CLASSES, INDEX, README = "classes.txt", "index.csv", "README.md"
LINE = re.compile(r"(\d+)\s*[:=]\s*(.+)")
IN_README = re.compile(r"(\d+)=([^,.\n]+)")
UNLABELLED = re.compile(r"unlabel|void|ignore", re.IGNORECASE)
NO_CLASS = 255
"""Stands for no class wherever the list of classes does not say otherwise."""
LARGEST = 2**16 - 1
TRAIN, TESTS = "train", ("test", "val")


def fits(folder: Path) -> bool:
    """Whether it has images/ and masks/."""
    return all((folder / name).is_dir() for name in ("images", "masks"))


def read(folder: Path) -> Dense:
    """Images with their masks, of images/ and masks/, or of train, val and test in both.

    The split is that of the folders; else that of lists train.txt and test.txt or val.txt of names; else of a column of
    `index.csv` that ends in "part" or "split", whose values begin with train, val or test; else as `apart` does. Where
    there are both, "test" is taken and "val" is left out.

    Classes are "NUMBER: name" in `classes.txt`, or "NUMBER=name" on the line "Classes:" of `README.md`, or all values
    that masks hold; the value 255, and a class called unlabelled, void or ignore, do not count.

    Raises:
        DataError: an image has no mask, a mask no image, a list names what is not there, or a side has no image.
    """
    images, masks = folder / "images", folder / "masks"
    pairs = mirrored(folder, images, masks)
    train, test, split = _split(folder, pairs)
    if not train or not test:
        raise DataError(f"{folder}: {len(train)} images to train and {len(test)} to test with; both are needed")
    classes = _classes(folder) or _seen(pairs)
    judged = {value: name for value, name in sorted(classes.items()) if not UNLABELLED.search(name)}
    ignored = sorted({NO_CLASS, *classes} - judged.keys())
    values = {value: number for number, value in enumerate(judged)}
    return Dense(folder.name, tuple(judged.values()), numbered(values, ignored), train, test, split)


def _split(folder: Path, pairs: Sequence[Pair]) -> tuple[tuple[Pair, ...], tuple[Pair, ...], str]:
    given = _by_folders(pairs) or _by_lists(folder, pairs) or _by_index(folder, pairs)
    if not given:
        sides = apart([pair.image.key for pair in pairs])
        train, test = (tuple(pair for pair, own in zip(pairs, side, strict=True) if own) for side in sides)
        return train, test, APART
    judged = next((name for name in TESTS if name in given.values()), "")
    train, test = (tuple(pair for pair in pairs if given.get(pair.image.key) == part) for part in (TRAIN, judged))
    return train, test, GIVEN


def _by_folders(pairs: Sequence[Pair]) -> dict[str, str]:
    parts = {pair.image.key: pair.image.key.split("/")[1] for pair in pairs}
    return parts if set(parts.values()) <= {TRAIN, *TESTS} else {}


def _by_lists(folder: Path, pairs: Sequence[Pair]) -> dict[str, str]:
    of_stem = {Path(pair.image.key).stem: pair.image.key for pair in pairs}
    given = {}
    for part in (TRAIN, *TESTS):
        path = folder / f"{part}.txt"
        for where, line in lines(path) if path.is_file() else ():
            stem = Path(line.split()[0]).stem
            if stem not in of_stem:
                raise DataError(f"{where}: {stem} is none of the images")
            given[of_stem[stem]] = part
    return given


def _by_index(folder: Path, pairs: Sequence[Pair]) -> dict[str, str]:
    path = folder / INDEX
    if not path.is_file():
        return {}
    given, masks = {}, {pair.image.key: key(folder, pair.truth) for pair in pairs}
    for where, row in table(path, ("image", "mask")):
        if masks.get(row["image"]) != row["mask"]:
            raise DataError(f"{where}: {row['image']} and {row['mask']} are no image and its mask")
        column = next((name for name in row if name.endswith(("part", "split"))), None)
        if column is None:
            return {}
        part = next((name for name in (TRAIN, *TESTS) if row[column].startswith(name)), None)
        if part is None:
            raise DataError(f"{where}: {column} is {row[column]!r}; allowed: {', '.join((TRAIN, *TESTS))}")
        given[row["image"]] = part
    if missing := sorted(masks.keys() - given.keys()):
        raise DataError(f"{path}: {len(missing)} images are not in it, the first: {missing[0]}")
    return given


def _classes(folder: Path) -> dict[int, str]:
    """Names by value, as far as a file says them."""
    if (folder / CLASSES).is_file():
        found = [(where, LINE.fullmatch(line)) for where, line in lines(folder / CLASSES)]
        if wrong := [where for where, match in found if not match]:
            raise DataError(f"{wrong[0]}: not a number, a colon and the name of a class")
        classes = {int(match[1]): match[2].strip() for _, match in found if match}
        if classes and max(classes) > LARGEST:
            raise DataError(f"{folder / CLASSES}: class {max(classes)}; masks of 16 bits hold up to {LARGEST}")
        return classes
    path = folder / README
    named = [line for _, line in lines(path) if line.startswith("Classes:")] if path.is_file() else []
    return {int(value): name.strip() for line in named for value, name in IN_README.findall(line)}


def _seen(pairs: Sequence[Pair]) -> dict[int, str]:
    values = {int(value) for pair in pairs for value in np.unique(stored_map(pair.truth))} - {NO_CLASS}
    return {value: str(value) for value in values}


MASKED = Layout("images/ and masks/ of equal names", fits, read)
