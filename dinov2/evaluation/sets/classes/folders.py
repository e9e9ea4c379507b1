"""A folder for each class, with or without folders of training and test images above them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.listing import files, folders, holds, key, named, table
from dinov2.evaluation.sets.splits import BY_HASH, GIVEN, by_hash
from dinov2.evaluation.sets.task import Classification, Image, Part

TRAIN, TEST = "train", ("test", "val", "valid", "validation")
LABELS = "labels.csv"


def fits(folder: Path) -> bool:
    """Whether at least two folders in it, or in its folder of training images, hold images."""
    base = folder / TRAIN if (folder / TRAIN).is_dir() else folder
    return sum(holds(each) for each in folders(base)) >= 2


def read(folder: Path) -> Classification:
    """The classes and images of `folder/CLASS/...`, or of `folder/train/CLASS/...` and `folder/val/CLASS/...`.

    ImageNet's folders of synsets are laid out like the latter. Without them a fifth of each class, by hash of the key,
    is for testing. Where there are a "test" and a "val", "test" is taken, unless its images lie in it without classes,
    as ImageNet's do. A `labels.csv` with the columns `file` and
    `label` beside the folders must say the same as they do.

    Raises:
        DataError: fewer than two classes, no test image, or a label that disagrees with its folder.
    """
    if (folder / TRAIN).is_dir():
        train, test, split = by_class(folder, folder / TRAIN), by_class(folder, tested(folder)), GIVEN
    else:
        found = by_class(folder, folder)
        _check_labels(folder, found)
        train, test = _divided(found)
        split = BY_HASH
    return classification(folder, train, {"test": test}, split)


def classification(
    folder: Path, train: Mapping[str, Sequence[Image]], tests: Mapping[str, Mapping[str, Sequence[Image]]], split: str
) -> Classification:
    """The task of images by class.

    Raises:
        DataError: fewer than two classes have training images, or a test has no image.
    """
    trained = sorted(name for name, own in train.items() if own)
    if len(trained) < 2:
        raise DataError(f"{folder}: training images of {len(trained)} class{'es' * (not trained)}; two are needed")
    if empty := [name for name, test in tests.items() if not any(test.values())]:
        raise DataError(f"{folder}: no image to test with in {', '.join(empty)}")
    unseen = {name for test in tests.values() for name, own in test.items() if own} - set(trained)
    classes = (*trained, *sorted(unseen))
    number = {name: index for index, name in enumerate(classes)}
    parts = {name: _part(test, number) for name, test in tests.items()}
    return Classification(folder.name, classes, len(trained), _part(train, number), parts, split)


def by_class(root: Path, folder: Path) -> dict[str, list[Image]]:
    """Images below each folder of `folder`, by its name; a folder without any is an empty list."""
    return {each.name: [Image(key(root, path), root) for path in files(each)] for each in folders(folder)}


def tested(folder: Path) -> Path:
    """The folder of test images by class.

    Raises:
        DataError: there is none.
    """
    for name in TEST:
        if (folder / name).is_dir() and folders(folder / name):
            return folder / name
    allowed = ", ".join(f"{name}/CLASS/" for name in TEST)
    raise DataError(f"{folder}: has {TRAIN}/ and no classes of test images; allowed: {allowed}")


def _divided(found: dict[str, list[Image]]) -> tuple[dict[str, list[Image]], dict[str, list[Image]]]:
    flat = [(name, image) for name, own in found.items() for image in own]
    held = by_hash([image.key for _, image in flat], [name for name, _ in flat])
    train: dict[str, list[Image]] = {name: [] for name in found}
    test: dict[str, list[Image]] = {name: [] for name in found}
    for (name, image), is_test in zip(flat, held, strict=True):
        (test if is_test else train)[name].append(image)
    return train, test


def _check_labels(folder: Path, found: dict[str, list[Image]]) -> None:
    path = folder / LABELS
    if not path.is_file():
        return
    of_folder = {image.key: name for name, own in found.items() for image in own}
    listed = set()
    for where, row in table(path, ("file", "label")):
        own = of_folder.get(key(folder, named(folder, row["file"], where)))
        if own != row["label"]:
            lies = f"lies in the folder of {own!r}" if own else "is no image of a class's folder"
            raise DataError(f"{where}: {row['file']} is labelled {row['label']!r} and {lies}")
        listed.add(row["file"])
    if missing := sorted(of_folder.keys() - listed):
        raise DataError(f"{path}: {len(missing)} images are not in it, the first: {missing[0]}")


def _part(images: Mapping[str, Sequence[Image]], number: Mapping[str, int]) -> Part:
    ordered = sorted((image.key, number[name], image) for name, own in images.items() for image in own)
    labels = np.array([label for _, label, _ in ordered], dtype=np.int64)
    return Part(tuple(image for _, _, image in ordered), labels)


FOLDERS = Layout("a folder for each class, or train/ and val/ or test/ of them", fits, read)
