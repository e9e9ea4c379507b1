from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from dinov2.data.filters.protocol import Filter
from tests.data.filters.conftest import encoded, resized


@pytest.mark.parametrize(
    ("width", "height", "kept"),
    [(64, 64, True), (63, 200, False), (200, 63, False), (192, 64, True), (193, 64, False), (64, 193, False)],
)
def test_bounds_are_inclusive_and_know_no_upright(width: int, height: int, kept: bool, create: Callable) -> None:
    own: Filter = create(kind="size", min_side=64, max_aspect=3)
    assert (own.by_header(width, height) is None) is kept


def test_small_and_thin_files_are_counted(take_in: Callable, photographs: dict[str, np.ndarray]) -> None:
    image = photographs["coffee"]
    shapes = {"a.jpg": (100, 80), "small.jpg": (60, 50), "thin.jpg": (300, 70)}
    found = take_in({name: encoded(resized(image, *shape)) for name, shape in shapes.items()}, {"kind": "size"})
    assert set(found.rows) == {"web/a.jpg"}
    assert found.rejects == {
        "web/small.jpg": ("size", "60×50 pixels, at least 64 a side are needed"),
        "web/thin.jpg": ("size", "300×70 pixels, at most 3 : 1 is allowed"),
    }
    assert found.filters == {"size": {"rejected": 2}}


def test_what_is_left_out_by_its_header_is_not_decoded(take_in: Callable, photographs: dict[str, np.ndarray]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    thin = resized(photographs["coffee"], 300, 90)
    files = {"a.jpg": photographs["rocket"], "cut.jpg": photographs["coffee"], "thin.jpg": thin}
    data = {name: encoded(pixels, exif=exif) for name, pixels in files.items()}
    found = take_in(
        {name: each[: len(each) if name[0] == "a" else 2000] for name, each in data.items()}, {"kind": "size"}
    )
    assert {key: reason for key, (reason, _) in found.rejects.items()} == {
        "web/cut.jpg": "truncated",
        "web/thin.jpg": "size",
    }
