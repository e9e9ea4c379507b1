"""NYU Depth v2 (Silberman et al. 2012), with the lists that monocular depth is published on (Lee et al. 2019)."""

from pathlib import Path

from dinov2.evaluation.sets.depth.listed import listed_pairs
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.splits import GIVEN
from dinov2.evaluation.sets.task import Depth

TRAIN, TEST = "nyu_train.txt", "nyu_test.txt"
MILLIMETRES = 0.001
NEAR, FAR = 0.001, 10.0
EIGEN = (45 / 480, 471 / 480, 41 / 640, 601 / 640)
"""The rows and columns of 480 × 640 that are judged (Eigen et al. 2014)."""


def fits(folder: Path) -> bool:
    """Whether it has the two lists."""
    return all((folder / name).is_file() for name in (TRAIN, TEST))


def read(folder: Path) -> Depth:
    """nyu_train.txt and nyu_test.txt: "scene/rgb.jpg scene/depth.png focal" a line, depth in 16-bit millimetres.

    Raises:
        DataError: a list is missing or names what is not there.
    """
    (train, _), (test, without) = (listed_pairs(folder, folder / name, folder, folder) for name in (TRAIN, TEST))
    return Depth(folder.name, MILLIMETRES, NEAR, FAR, EIGEN, train, test, without, GIVEN)


NYUD = Layout("nyu_train.txt and nyu_test.txt with what they name", fits, read)
