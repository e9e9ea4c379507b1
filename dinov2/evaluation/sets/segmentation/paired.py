"""Images and masks in folders that mirror each other."""

from collections.abc import Callable
from pathlib import Path

from dinov2.errors import DataError
from dinov2.evaluation.sets.listing import IMAGES, files, key, lines
from dinov2.evaluation.sets.task import Image, Pair

MASKS = frozenset((".png", ".tif", ".tiff", ".bmp"))


def mirrored(root: Path, images: Path, masks: Path, mask_of: Callable[[str], str] | None = None) -> tuple[Pair, ...]:
    """Every image below `images` with its mask below `masks`.

    Args:
        root: the set's folder.
        images: where images lie.
        masks: where masks lie, in the same folders.
        mask_of: the mask's path from the image's, both without a suffix; None is the same.

    Raises:
        DataError: a folder is missing or empty, an image has no mask or a mask no image.
    """
    for folder in (images, masks):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
    of_name = {str(path.relative_to(masks).with_suffix("")): path for path in files(masks, MASKS)}
    pairs = []
    for path in files(images):
        name = str(path.relative_to(images).with_suffix(""))
        mask = of_name.pop(mask_of(name) if mask_of else name, None)
        if mask is None:
            raise DataError(f"{path}: no file of its name in {masks}")
        pairs.append(Pair(Image(key(root, path), root), mask))
    if not pairs:
        raise DataError(f"{images}: no image in it; allowed: {', '.join(sorted(IMAGES))}")
    if mask_of is None and of_name:
        raise DataError(f"{min(of_name.values())}: no image of its name in {images}")
    return tuple(pairs)


def listed(root: Path, path: Path, images: Path, masks: Path, suffix: str = ".jpg") -> tuple[Pair, ...]:
    """The images that a text names, one a line without suffix, with their masks.

    Raises:
        DataError: the list is missing or empty, or a file that it names does not exist.
    """
    pairs = []
    for where, line in lines(path):
        image, mask = images / f"{line.split()[0]}{suffix}", masks / f"{line.split()[0]}.png"
        for each in (image, mask):
            if ".." in Path(line).parts or not each.is_file():
                raise DataError(f"{where}: {each} does not exist")
        pairs.append(Pair(Image(key(root, image), root), mask))
    if not pairs:
        raise DataError(f"{path}: names no image")
    return tuple(pairs)
