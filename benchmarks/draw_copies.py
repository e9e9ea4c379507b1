"""Draws a set of copies whose edits `trained` never learns from, for `benchmarks.copy_detection`.

    python -m benchmarks.draw_copies PHOTOGRAPHS... TO [--originals 200] [--seed 0]

PHOTOGRAPHS are folders; TO gets the layout that `benchmarks/copy_files.py` draws. As many photographs become originals,
which lie in db/ and have one query for each of `benchmarks/unseen_edits.py`, as become distractors in db/ and queries
that are copies of nothing. They are spread over the folders below PHOTOGRAPHS, so that all three are of the same kinds.
The seed and the names decide which ones, and how they are edited.
"""

import argparse
import csv
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from benchmarks.copy_files import COLUMNS, TRUTH
from benchmarks.copy_scores import NONE
from benchmarks.unseen_edits import EDITS
from dinov2.curation.descriptors.hash import HashDescriptor
from dinov2.data.entries import is_candidate
from dinov2.data.images import Pixels, decode_rgb, resize_shortest
from dinov2.errors import ConfigError, DataError, told_in_one_line

SHORTEST = (96, 512)
"""Photographs of fewer pixels on the shortest side are left out; those of more are shrunk."""
QUALITY = 90


def draw(folders: Sequence[Path], to: Path, originals: int, seed: int) -> None:
    """Draw the set.

    Args:
        folders: of photographs, at any depth.
        to: a new or empty folder.
        originals: a third of the photographs that are taken.
        seed: of the choice and the edits.

    Raises:
        ConfigError: `to` is not empty or there is no such number of originals.
        DataError: there is no such folder, two of them have files of the same name, or too few can be used.
    """
    if originals < 1:
        raise ConfigError(f"--originals {originals}: at least 1")
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise ConfigError(f"{to}: exists and is not an empty folder")
    files = _files(folders)
    taken = list(islice(_usable(in_order(files, seed), files), 3 * originals))
    if len(taken) < 3 * originals:
        raise DataError(f"{len(taken)} usable photographs; --originals {originals} takes {3 * originals}")
    for folder in ("db", "query"):
        (to / folder).mkdir(parents=True)
    rows = []
    for number, name in enumerate(taken):
        image, short = _photograph(files[name]), _digest(seed, name)[:12]
        if number >= 2 * originals:
            rows.append((_write(image, to, f"query/{short}.jpg"), "", NONE))
            continue
        found = _write(image, to, f"db/{short}.jpg")
        for edit, edited in EDITS.items() if number < originals else ():
            rng = np.random.default_rng(int(_digest(seed, edit, name), 16))
            rows.append((_write(edited(image, rng), to, f"query/{short}-{edit}.jpg"), found, edit))
    with (to / TRUTH).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *sorted(rows)])


def in_order(names: Iterable[str], seed: int) -> list[str]:
    """By a digest of the name; of each folder one, then of each another, as long as they last."""
    folders: dict[PurePosixPath, list[str]] = {}
    for name in sorted(names, key=lambda name: _digest(seed, name)):
        folders.setdefault(PurePosixPath(name).parent, []).append(name)
    return [name for each in zip_longest(*folders.values()) for name in each if name]


def _files(folders: Sequence[Path]) -> dict[str, Path]:
    """From names, which begin with that of the folder, to files."""
    files: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
        for path in folder.rglob("*"):
            below = path.relative_to(folder).as_posix()
            if not is_candidate(below) or not path.is_file():
                continue
            name = f"{folder.resolve().name}/{below}"
            if files.setdefault(name, path) is not path:
                raise DataError(f"{path}: {name!r} is also the name of {files[name]}; rename a folder")
    return files


def _usable(names: Iterable[str], files: Mapping[str, Path]) -> Iterator[str]:
    """Those that can be decoded, are large enough and no near duplicates: such pairs would be missing in the truth."""
    descriptor, vectors = HashDescriptor(), dict[str, np.ndarray]()
    for name in names:
        try:
            vector = descriptor.embed([_photograph(files[name])])[0]
            twins = (other for other, its in vectors.items() if its @ vector > descriptor.copies_above)
            if twin := next(twins, None):
                raise DataError(f"a near duplicate of {files[twin]}")
        except DataError as error:
            print(f"{files[name]}: {error}; left out", file=sys.stderr, flush=True)
            continue
        vectors[name] = vector
        yield name


def _photograph(path: Path) -> Pixels:
    image = decode_rgb(path.read_bytes())
    shortest, (least, most) = min(image.shape[:2]), SHORTEST
    if shortest < least:
        raise DataError(f"its shortest side has {shortest} pixels; at least {least}")
    return resize_shortest(image, most) if shortest > most else image


def _write(image: Pixels, to: Path, name: str) -> str:
    data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    (to / name).write_bytes(data.tobytes())
    return name


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()


def main() -> None:
    """Draw one set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, nargs="+", metavar="PHOTOGRAPHS")
    parser.add_argument("to", type=Path, metavar="TO")
    parser.add_argument("--originals", type=int, default=200, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw(options.photographs, options.to, options.originals, options.seed)


if __name__ == "__main__":
    with told_in_one_line():
        main()
