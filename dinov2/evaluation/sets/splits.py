"""Training and test images of a set that does not tell them apart: always the same ones, on every machine."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

TEST_SHARE = 0.2
GAP_SHARE = 0.05
SHORTEST_ROW = 10
NUMBERED = re.compile(r"\d*(?:\.[^./]*)?$")
BY_HASH = "by hash of the key, a fifth to test, of each class where there are classes"
APART = (
    "numbered images in order, the last fifth to test and a twentieth before it to neither; others by hash of the key"
)
GIVEN = "given"


def by_hash(keys: Sequence[str], labels: Sequence[object], groups: Sequence[str] | None = None) -> np.ndarray:
    """(N,) bool, which are for testing: of every class the fifth with the lowest hashes, at least one, never all.

    An image more or less moves at most one other across. Classes of one image keep it for training.

    Args:
        keys: N names; nothing but their text decides.
        labels: of what class each is.
        groups: what must not be torn apart, such as clips of one recording; None is every key for itself.
    """
    groups = keys if groups is None else groups
    members: dict[object, set[str]] = defaultdict(set)
    for group, label in zip(groups, labels, strict=True):
        members[label].add(group)
    chosen = set()
    for label, own in members.items():
        ordered = sorted(own, key=_hash)
        count = min(max(1, round(TEST_SHARE * len(ordered))), len(ordered) - 1)
        chosen |= {(label, group) for group in ordered[:count]}
    return np.array([pair in chosen for pair in zip(labels, groups, strict=True)], dtype=bool)


def apart(keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(N,) bool each, which are for training and which for testing, of images that may be frames of recordings.

    Names that differ by a number alone are taken for frames, in its order: of each such row the last fifth is for
    testing and what is just before it for neither, since neighbouring frames show the same; drawn at random, each test
    frame would have its twin in training. Names without number, or in rows shorter than 10, are divided by hash.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        rows[NUMBERED.sub("", key, count=1)].append(index)
    train, test = np.zeros(len(keys), dtype=bool), np.zeros(len(keys), dtype=bool)
    single = [index for row in rows.values() if len(row) < SHORTEST_ROW for index in row]
    held = by_hash([keys[index] for index in single], [""] * len(single))
    test[single], train[single] = held, ~held
    for row in (row for row in rows.values() if len(row) >= SHORTEST_ROW):
        ordered = sorted(row, key=lambda index: (len(keys[index]), keys[index]))
        tested, gap = (round(share * len(row)) for share in (TEST_SHARE, GAP_SHARE))
        train[ordered[: len(row) - tested - gap]] = True
        test[ordered[len(row) - tested :]] = True
    return train, test


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
