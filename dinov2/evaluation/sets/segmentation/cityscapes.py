"""Cityscapes (Cordts et al. 2016): the 19 classes that are judged, out of the 34 that are labelled."""

from pathlib import Path

from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.segmentation.masks import numbered
from dinov2.evaluation.sets.segmentation.paired import mirrored
from dinov2.evaluation.sets.splits import GIVEN
from dinov2.evaluation.sets.task import Dense, Pair

JUDGED = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car", 27: "truck",
    28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
"""By the number in *_labelIds.png; the other numbers up to 33 do not count."""
IMAGE, MASK = "_leftImg8bit", "_gtFine_labelIds"


def fits(folder: Path) -> bool:
    """Whether it has leftImg8bit/train and gtFine/train."""
    return all((folder / kind / "train").is_dir() for kind in ("leftImg8bit", "gtFine"))


def read(folder: Path) -> Dense:
    """leftImg8bit/{train,val}/CITY/*_leftImg8bit.png with gtFine/{train,val}/CITY/*_gtFine_labelIds.png.

    Raises:
        DataError: an image has no mask.
    """
    train, test = (_part(folder, part) for part in ("train", "val"))
    values = {value: number for number, value in enumerate(JUDGED)}
    others = [value for value in range(max(JUDGED) + 1) if value not in JUDGED]
    return Dense(folder.name, tuple(JUDGED.values()), numbered(values, others), train, test, GIVEN)


def _part(folder: Path, part: str) -> tuple[Pair, ...]:
    images, masks = folder / "leftImg8bit" / part, folder / "gtFine" / part
    return mirrored(folder, images, masks, lambda name: name.removesuffix(IMAGE) + MASK)


CITYSCAPES = Layout("leftImg8bit/train, gtFine/train and the same of val", fits, read)
