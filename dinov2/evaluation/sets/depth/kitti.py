"""KITTI (Geiger et al. 2013) with the split of Eigen et al. (2014)."""

from dataclasses import replace
from pathlib import Path

from dinov2.errors import DataError
from dinov2.evaluation.sets.depth.listed import listed_pairs
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.segmentation.masks import image_size
from dinov2.evaluation.sets.splits import GIVEN
from dinov2.evaluation.sets.task import Depth, Pair

TRAIN, TEST = "kitti_eigen_train.txt", "kitti_eigen_test.txt"
METRES = 1 / 256
NEAR, FAR = 0.001, 80.0
GARG = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
"""Share of the height and width that is judged (Garg et al. 2016)."""
HEIGHT, WIDTH = 352, 1216
"""What the benchmark cuts out of the images, whose sizes differ a little: the bottom, in the middle."""


def fits(folder: Path) -> bool:
    """Whether it has the two lists."""
    return all((folder / name).is_file() for name in (TRAIN, TEST))


def read(folder: Path) -> Depth:
    """The two lists, "image map focal" a line, from input/ and gt_depth/; depth in 16-bit 1/256 metres.

    Images whose line says "None" for a map are left out and counted.

    Raises:
        DataError: a list is missing or names what is not there, or an image is smaller than what is cut out.
    """
    (train, none), (test, without) = (
        listed_pairs(folder, folder / name, folder / "input", folder / "gt_depth") for name in (TRAIN, TEST)
    )
    train, test = (tuple(_cut(pair) for pair in part) for part in (train, test))
    return Depth(folder.name, METRES, NEAR, FAR, GARG, train, test, none + without, GIVEN)


def _cut(pair: Pair) -> Pair:
    height, width = image_size(pair.image)
    if height < HEIGHT or width < WIDTH:
        raise DataError(f"{pair.image.path}: {width}×{height} pixels; {WIDTH}×{HEIGHT} are cut out")
    left = (width - WIDTH) // 2
    box = (left, height - HEIGHT, left + WIDTH, height)
    return replace(pair, image=replace(pair.image, box=box))


KITTI = Layout("kitti_eigen_train.txt and kitti_eigen_test.txt, input/ and gt_depth/", fits, read)
