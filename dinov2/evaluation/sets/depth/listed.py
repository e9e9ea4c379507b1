"""Lists of images and depth maps, as NYUd and KITTI are published: "image map focal-length" a line."""

from pathlib import Path

from dinov2.errors import DataError
from dinov2.evaluation.sets.listing import key, lines
from dinov2.evaluation.sets.task import Image, Pair

NO_MAP = "None"


def listed_pairs(root: Path, path: Path, images: Path, maps: Path) -> tuple[tuple[Pair, ...], int]:
    """The pairs that a text names, and how many of its images have no map.

    Args:
        root: the set's folder.
        path: the list.
        images: what its paths of images start from; a slash before them means nothing.
        maps: what its paths of maps start from.

    Raises:
        DataError: the list is missing or names no pair, a line is no pair, or a file does not exist.
    """
    pairs, without = [], 0
    for where, line in lines(path):
        names = line.split()
        if len(names) not in (2, 3):
            raise DataError(f"{where}: {line!r} is not an image, a map and perhaps a focal length")
        if names[1] == NO_MAP:
            without += 1
            continue
        image, depth = (base / name.lstrip("/") for base, name in ((images, names[0]), (maps, names[1])))
        for each in (image, depth):
            if ".." in each.relative_to(root).parts or not each.is_file():
                raise DataError(f"{where}: {each} does not exist")
        pairs.append(Pair(Image(key(root, image), root), depth))
    if not pairs:
        raise DataError(f"{path}: names no image with a map")
    return tuple(pairs), without
