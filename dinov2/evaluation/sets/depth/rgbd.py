"""Plain RGB-D pairs: rgb/ and depth/ of equal names, the depth in 16-bit millimetres."""

from pathlib import Path

from dinov2.errors import DataError
from dinov2.evaluation.sets.depth.maps import WHOLE
from dinov2.evaluation.sets.layout import Layout
from dinov2.evaluation.sets.listing import table
from dinov2.evaluation.sets.segmentation.paired import mirrored
from dinov2.evaluation.sets.splits import APART, GIVEN, apart
from dinov2.evaluation.sets.task import Depth

INDEX = "index.csv"
MILLIMETRES = 0.001
NEAR, FAR = 0.001, 10.0
"""As for NYUd: what such cameras measure indoors."""


def fits(folder: Path) -> bool:
    """Whether it has rgb/ and depth/."""
    return all((folder / name).is_dir() for name in ("rgb", "depth"))


def read(folder: Path) -> Depth:
    """rgb/NAME and depth/NAME, or rgb/train/NAME, depth/train/NAME and the same of test.

    Without these folders numbered names are taken for frames of a recording, in their order: stretches of it are for
    training and for testing, never neighbours. An `index.csv` beside them must name the same pairs.

    Raises:
        DataError: an image has no map, a map no image, the index disagrees, or there are too few.
    """
    rgb, depth = folder / "rgb", folder / "depth"
    pairs = mirrored(folder, rgb, depth)
    _check_index(folder, {pair.image.key: pair.truth.relative_to(folder).as_posix() for pair in pairs})
    if all((rgb / part).is_dir() for part in ("train", "test")):
        train, test = ([p for p in pairs if p.image.key.startswith(f"rgb/{part}/")] for part in ("train", "test"))
        split = GIVEN
    else:
        sides = apart([pair.image.key for pair in pairs])
        train, test = ([pair for pair, own in zip(pairs, side, strict=True) if own] for side in sides)
        split = APART
    if not train or not test:
        raise DataError(f"{folder}: {len(train)} pairs to train and {len(test)} to test with; both are needed")
    return Depth(folder.name, MILLIMETRES, NEAR, FAR, WHOLE, tuple(train), tuple(test), 0, split)


def _check_index(folder: Path, maps: dict[str, str]) -> None:
    path = folder / INDEX
    if not path.is_file():
        return
    for where, row in table(path, ("rgb",)):
        named = [value for name, value in row.items() if name.startswith("depth")]
        if named != [maps.get(row["rgb"])]:
            raise DataError(f"{where}: {row['rgb']} and {', '.join(named) or 'no map'} are no image and its map")


RGBD = Layout("rgb/ and depth/ of equal names, 16-bit millimetres", fits, read)
