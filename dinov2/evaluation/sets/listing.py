"""Folders of images and the lists beside them."""

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from dinov2.errors import DataError
from dinov2.evaluation.sets.task import Image

IMAGES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".gif"))


def folders(folder: Path) -> list[Path]:
    """The folders directly in `folder`, by name, without hidden ones.

    Raises:
        DataError: a link in it leads to nothing, perhaps to a disk that is away.
    """
    found = []
    with os.scandir(folder) as entries:
        for entry in (each for each in entries if not each.name.startswith(".")):
            if entry.is_dir():
                found.append(Path(entry.path))
            elif entry.is_symlink() and not Path(entry.path).exists():
                raise DataError(f"{entry.path}: a link to {Path(entry.path).readlink()}, which is not there")
    return sorted(found)


def files(folder: Path, suffixes: frozenset[str] = IMAGES) -> list[Path]:
    """Files anywhere below `folder` that end in one of `suffixes`, in the order of their paths, without hidden ones."""
    return sorted(_below(folder, suffixes))


def holds(folder: Path, suffixes: frozenset[str] = IMAGES) -> bool:
    """Whether there is any such file; stops at the first."""
    return next(_below(folder, suffixes), None) is not None


def walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Every folder from `folder` down, and the names of the files in it, without hidden ones.

    Links are followed; a folder that they lead back to is gone into once.

    Raises:
        OSError: a folder cannot be read.
    """
    entered: set[tuple[int, int]] = set()
    for place, below, names in os.walk(folder, onerror=_raise, followlinks=True):
        info = Path(place).stat()
        if (info.st_dev, info.st_ino) in entered:
            below.clear()
            continue
        entered.add((info.st_dev, info.st_ino))
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield place, [name for name in names if not name.startswith(".")]


def _raise(error: OSError) -> None:
    raise error


def _below(folder: Path, suffixes: frozenset[str]) -> Iterator[Path]:
    for place, names in walk(folder):
        yield from (Path(place, name) for name in names if os.path.splitext(name)[1].lower() in suffixes)  # noqa: PTH122 a million names


def key(root: Path, path: Path) -> str:
    """The path from the set's folder, with slashes."""
    return path.relative_to(root).as_posix()


def images(root: Path, folder: Path) -> tuple[Image, ...]:
    """Every image below `folder`, of the set that lies in `root`.

    Raises:
        DataError: there is none.
    """
    found = tuple(Image(key(root, path), root) for path in files(folder))
    if not found:
        raise DataError(f"{folder}: no image in it; allowed: {', '.join(sorted(IMAGES))}")
    return found


def named(root: Path, name: str, origin: str) -> Path:
    """The file that a list calls `name`, relative to the set's folder.

    Args:
        root: the set's folder.
        name: as it stands in the list.
        origin: the list and the line, for the message.

    Raises:
        DataError: there is no such file, or it lies outside the set.
    """
    pure = PurePosixPath(name)
    if not name or pure.is_absolute() or ".." in pure.parts:
        raise DataError(f"{origin}: {name!r} is no path within {root}")
    path = root / pure
    if not path.is_file():
        raise DataError(f"{origin}: {path} does not exist")
    return path


def table(path: Path, needed: Iterable[str] = ()) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a CSV with a header, each with "file, line N" for messages.

    Raises:
        DataError: a column of `needed` is missing, a row has more or fewer fields, or the file is no CSV in UTF-8.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            header = rows.fieldnames or []
            if missing := [name for name in needed if name not in header]:
                raise DataError(f"{path}: no column {', '.join(missing)}; it has {', '.join(header) or 'nothing'}")
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if None in row or None in row.values():
                    raise DataError(f"{where}: not the {len(header)} fields of the header")
                yield where, row
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text in UTF-8") from None
    except csv.Error as error:
        raise DataError(f"{path}: not a table: {error}") from None


def lines(path: Path) -> Iterator[tuple[str, str]]:
    """The lines of a text that are not empty, each with "file, line N" for messages.

    Raises:
        DataError: the file is missing or no UTF-8 text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such list") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text in UTF-8") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            yield f"{path}, line {number}", line.strip()
