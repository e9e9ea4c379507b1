"""What the sample holds: which scenes, which copies of them and which broken files, and so its truth.

The pool is what a crawl brings: every class, scenes with nothing in them, copies, broken files. The curated set holds
clean scenes of some classes. The labelled set has every class and is there to evaluate on; the pool holds copies of a
few of its scenes, which must not be trained on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator, default_rng

from dinov2.data.sample.broken import BROKEN
from dinov2.data.sample.edits import EDITS
from dinov2.data.sample.photographs import CLASSES
from dinov2.storage import digest

VERSION = 2
SEED = 0

POOL_SCENES = 1232
POOL_COPIES, COPIES_OF_LABELLED = 144, 24
BROKEN_EACH = 2
DISTRACTORS = 0.3
CURATED_SCENES, CURATED_CLASSES = 200, CLASSES[::2] + CLASSES[1:2]
LABELLED_SCENES = 500

SETS = ("pool", "curated", "labelled")


@dataclass(frozen=True)
class Planned:
    """One file of the sample.

    Attributes:
        set: one of `SETS`.
        file: its path inside the set.
        label: the class of its object, None when it shows none.
        scene: seed of its scene, which a copy shares with its original.
        duplicate_of: `<set>/<file>` of the original, None for an original.
        edit: one of `EDITS` for a copy.
        reason: why ingestion must reject it, None for a usable file.
    """

    set: str
    file: str
    label: str | None
    scene: tuple[int, ...]
    duplicate_of: str | None = None
    edit: str | None = None
    reason: str | None = None


def identity() -> str:
    """The digest that names the sample: it changes with whatever is planned and with `VERSION`."""
    return digest("sample", VERSION, [vars(item) for item in plan()])


def plan() -> list[Planned]:
    """Every file of the sample."""
    rng = default_rng((VERSION, SEED))
    pool = [_scene("pool", number, _drawn(rng)) for number in range(POOL_SCENES)]
    curated = [
        _scene("curated", number, CURATED_CLASSES[number % len(CURATED_CLASSES)]) for number in range(CURATED_SCENES)
    ]
    labelled = [_scene("labelled", number, CLASSES[number % len(CLASSES)]) for number in range(LABELLED_SCENES)]
    copies = [*_copies(rng, pool, POOL_COPIES), *_copies(rng, labelled, COPIES_OF_LABELLED)]
    return [*pool, *copies, *_broken(), *curated, *labelled]


def _drawn(rng: Generator) -> str | None:
    return None if rng.random() < DISTRACTORS else CLASSES[rng.integers(len(CLASSES))]


def _scene(group: str, number: int, label: str | None) -> Planned:
    folder = "" if group == "pool" else f"{label}/"
    return Planned(group, f"{folder}{_name(group, number)}.jpg", label, (VERSION, SEED, SETS.index(group), number))


def _copies(rng: Generator, originals: Sequence[Planned], count: int) -> Iterator[Planned]:
    """Copies for the pool; with so many draws some originals get two, as on the web."""
    kinds = tuple(EDITS)
    for number, choice in enumerate(np.sort(rng.integers(len(originals), size=count))):
        original = originals[choice]
        yield replace(
            original,
            set="pool",
            file=f"{_name('copy', original.set, number)}.jpg",
            duplicate_of=f"{original.set}/{original.file}",
            edit=kinds[number % len(kinds)],
        )


def _broken() -> Iterator[Planned]:
    for number in range(BROKEN_EACH):
        for index, (reason, (suffix, _)) in enumerate(BROKEN.items()):
            scene = (VERSION, SEED, len(SETS), number, index)
            yield Planned("pool", _name("broken", reason, number) + suffix, None, scene, reason=reason)


def _name(*what: str | int) -> str:
    """A file name that tells nothing about what it shows."""
    return digest("name", SEED, *what)[:12]
