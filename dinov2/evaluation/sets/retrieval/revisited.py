"""Oxford and Paris revisited (Radenović et al. 2018): landmarks in easy, medium and hard images."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.retrieval.plain_pickle import load_plain
from dinov2.evaluation.sets.task import Box, Image, Level, Retrieval

PATTERN = "gnd_r*.pkl"
FOLDERS, SUFFIX = ("jpg", "images", "."), ".jpg"
LEVELS = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
"""Positives and ignored of each (section 3.2 there)."""


def fits(folder: Path) -> bool:
    """Whether a ground truth of the two lies in it."""
    return any(folder.glob(PATTERN))


def read(folder: Path) -> Retrieval:
    """The published `gnd_roxford5k.pkl` or `gnd_rparis6k.pkl`, the images beside it or in jpg/. Queries are cropped.

    Raises:
        DataError: there are two ground truths, the file is damaged or of another kind, or an image is missing.
    """
    found = sorted(folder.glob(PATTERN))
    if len(found) != 1:
        raise DataError(f"{folder}: {', '.join(path.name for path in found)}; one ground truth at a time")
    path = found[0]
    content = load_plain(path)
    names, asked, truth = (_field(path, content, field, list) for field in ("imlist", "qimlist", "gnd"))
    if not names or not asked:
        raise DataError(f"{path}: {len(names)} database images and {len(asked)} queries")
    if len(asked) != len(truth):
        raise DataError(f"{path}: {len(asked)} queries and the truth of {len(truth)}")
    base = _base(folder, path, str(names[0]))
    database = tuple(_image(base, path, name) for name in names)
    queries = tuple(_image(base, path, name, _box(path, each)) for name, each in zip(asked, truth, strict=True))
    levels = {
        level: Level(*(tuple(_numbers(path, each, kinds, len(names)) for each in truth) for kinds in both))
        for level, both in LEVELS.items()
    }
    return Retrieval(folder.name, queries, database, levels)


def _field(path: Path, content: Any, name: str, kind: type) -> Any:
    if not isinstance(content, Mapping) or not isinstance(content.get(name), kind):
        raise DataError(f"{path}: no ground truth of Oxford or Paris revisited: it has no {kind.__name__} {name!r}")
    return content[name]


def _base(folder: Path, path: Path, name: str) -> Path:
    for each in FOLDERS:
        if (folder / each / f"{name}{SUFFIX}").is_file():
            return folder / each
    tried = ", ".join(str(folder / each) for each in FOLDERS)
    raise DataError(f"{path}: {name}{SUFFIX} lies in none of {tried}")


def _image(base: Path, origin: Path, name: Any, box: Box | None = None) -> Image:
    path = base / f"{name}{SUFFIX}"
    if not isinstance(name, str) or Path(name).name != name or not path.is_file():
        raise DataError(f"{origin}: image {name!r} is not in {base}")
    return Image(path.name, base, box)


def _box(path: Path, truth: Any) -> Box:
    """The published corners may lie between pixels: whole pixels that hold them."""
    corners = np.asarray(truth.get("bbx", ()) if isinstance(truth, Mapping) else (), dtype=np.float64)
    if corners.shape != (4,) or not np.isfinite(corners).all() or (corners[2:] <= corners[:2]).any():
        raise DataError(f"{path}: a query's box 'bbx' is {corners.tolist()}, not left, top, right, bottom")
    left, top = np.floor(np.maximum(corners[:2], 0)).astype(int).tolist()
    right, bottom = np.ceil(corners[2:]).astype(int).tolist()
    return left, top, right, bottom


def _numbers(path: Path, truth: Mapping[str, Any], kinds: Iterable[str], count: int) -> np.ndarray:
    found = [np.zeros(0, dtype=np.int64)]
    for kind in kinds:
        own = truth.get(kind)
        numbers = np.asarray(own if isinstance(own, list | tuple | np.ndarray) else [own]).reshape(-1)
        if len(numbers) and numbers.dtype.kind not in "iu":
            raise DataError(f"{path}: {kind!r} of a query is {own!r}, not numbers of images")
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < count):
            raise DataError(f"{path}: {kind!r} of a query names image {numbers.max()} of {count}")
        found.append(numbers.astype(np.int64))
    return np.unique(np.concatenate(found))


REVISITED = Layout("gnd_roxford5k.pkl or gnd_rparis6k.pkl, and jpg/", fits, read)
