"""The layouts that are known, and which of them a folder has."""

from pathlib import Path

from dinov2.errors import DataError
from dinov2.evaluation.sets.classes.folders import FOLDERS
from dinov2.evaluation.sets.classes.shifted import SHIFTED
from dinov2.evaluation.sets.depth.kitti import KITTI
from dinov2.evaluation.sets.depth.nyud import NYUD
from dinov2.evaluation.sets.depth.rgbd import RGBD
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.retrieval.copies import COPIES
from dinov2.evaluation.sets.retrieval.pairs import PAIRS
from dinov2.evaluation.sets.retrieval.revisited import REVISITED
from dinov2.evaluation.sets.segmentation.ade20k import ADE20K
from dinov2.evaluation.sets.segmentation.cityscapes import CITYSCAPES
from dinov2.evaluation.sets.segmentation.masked import MASKED
from dinov2.evaluation.sets.segmentation.voc import VOC
from dinov2.evaluation.sets.task import Task
from dinov2.evaluation.sets.video.clips import CLIPS

LAYOUTS: dict[str, Layout] = {
    "cityscapes": CITYSCAPES,
    "ade20k": ADE20K,
    "voc": VOC,
    "masked": MASKED,
    "kitti": KITTI,
    "nyud": NYUD,
    "rgbd": RGBD,
    "revisited": REVISITED,
    "copies": COPIES,
    "pairs": PAIRS,
    "clips": CLIPS,
    "shifted": SHIFTED,
    "folders": FOLDERS,
}
"""By name, the more particular first: the first that fits a folder is taken."""


def read_set(folder: Path, layout: str | None = None) -> Task:
    """What lies in a folder, as a task.

    Args:
        folder: of the set; nothing in it is changed.
        layout: one of `LAYOUTS`; None finds it out.

    Raises:
        DataError: no layout fits, or a file of the set is not as it should be; names it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if layout is not None and layout not in LAYOUTS:
        raise DataError(f"layout {layout!r}; allowed: {', '.join(LAYOUTS)}")
    try:
        return _read(folder, layout or _found_out(folder))
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}") from None


def _read(folder: Path, name: str) -> Task:
    try:
        return LAYOUTS[name].read(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{folder}: not laid out as {name} ({LAYOUTS[name].drawn}): no {error.filename}") from None


def _found_out(folder: Path) -> str:
    for name, each in LAYOUTS.items():
        if each.fits(folder):
            return name
    drawn = "; ".join(f"{name} ({each.drawn})" for name, each in LAYOUTS.items())
    raise DataError(f"{folder}: laid out in none of the known ways: {drawn}")
