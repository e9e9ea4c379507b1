"""What a set holds: its digest changes with the name, the size or a byte of any of its files."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from dinov2.data.stream import in_batches
from dinov2.errors import DataError
from dinov2.evaluation.sets.listing import walk
from dinov2.progress import progress
from dinov2.storage import file_sha256

AT_ONCE = 64

Seen = tuple[int, int, str]
"""Of a file: its size in bytes, when it was changed in nanoseconds, and its SHA-256."""


def contents(folder: Path, known: Mapping[str, Seen], threads: int) -> dict[str, Seen]:
    """Every file of a set by its path in it, but for hidden ones; links are followed.

    Args:
        folder: of the set.
        known: what was found before: a file of the same size and time is not read again.
        threads: that read.

    Raises:
        DataError: there is no such folder, no file in it, or one cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    try:
        paths = (Path(place, name) for place, names in walk(folder) for name in names)
        found = {path.relative_to(folder).as_posix(): path.stat() for path in paths}
        new = {
            name: (info.st_size, info.st_mtime_ns)
            for name, info in sorted(found.items())
            if name not in known or known[name][:2] != (info.st_size, info.st_mtime_ns)
        }
        read = dict(zip(new, _read(folder, new, threads), strict=True))
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from None
    if not found:
        raise DataError(f"{folder}: no file in it")
    return {name: (*new[name], read[name]) if name in new else known[name] for name in sorted(found)}


def contents_digest(seen: Mapping[str, Seen]) -> str:
    """SHA-256 of names, sizes and bytes."""
    lines = "\n".join(f"{name}\0{size}\0{sha256}" for name, (size, _, sha256) in sorted(seen.items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _read(folder: Path, names: Iterable[str], threads: int) -> Iterator[str]:
    paths = [folder / name for name in names]
    with progress(f"checksums, {folder.name}", len(paths), "files", silent=not paths) as shown:
        for batch in in_batches(file_sha256, paths, AT_ONCE, threads):
            yield from batch
            shown.advance(len(batch))
