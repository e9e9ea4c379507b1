from collections.abc import Callable

import cv2
import numpy as np
import pytest

from dinov2.data.filters.blank import blankness
from dinov2.data.filters.protocol import Filter
from tests.data.filters.conftest import encoded


def noisy(level: float, deviation: float) -> np.ndarray:
    values = np.random.default_rng(0).normal(level, deviation, (240, 320, 1))
    return np.repeat(values.clip(0, 255).round().astype(np.uint8), 3, axis=2)


def drawing(thickness: int) -> np.ndarray:
    """A dark line on white."""
    return cv2.line(np.full((240, 320, 3), 255, np.uint8), (20, 200), (300, 40), (20, 20, 20), thickness)


def placeholder() -> np.ndarray:
    image = np.full((240, 320, 3), 238, np.uint8)
    return cv2.putText(image, "gone", (130, 125), cv2.FONT_HERSHEY_PLAIN, 1, (200, 200, 200), 1)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (noisy(255, 0), "100.0% of its pixels have nearly the same grey"),
        (noisy(0, 2), "100.0% of its pixels"),
        (placeholder(), "of its pixels have nearly the same grey"),
        (drawing(12), "its grey values have an entropy of"),
        (drawing(60), None),
        (noisy(128, 30), None),
    ],
)
def test_what_shows_next_to_nothing_is_told_from_what_does(
    image: np.ndarray, said: str | None, create: Callable
) -> None:
    own: Filter = create(kind="blank", max_near=0.97, min_entropy=1.2)
    detail = own.by_pixels(image)
    assert (detail or "") == "" if said is None else said in (detail or "")


def test_the_measures_are_those_of_their_definitions() -> None:
    grey = np.repeat(np.array([10, 18, 19, 255], np.uint8), 16).reshape(8, 8)
    near, entropy = blankness(grey)
    assert near == 0.5  # the median is 18.5: 18 and 19 are near
    assert entropy == pytest.approx(2.0)
    assert blankness(np.full((5, 5), 7, np.uint8)) == (1.0, 0.0)


def test_photographs_stay_and_blanks_are_counted(take_in: Callable, photographs: dict[str, np.ndarray]) -> None:
    files = {f"{name}.jpg": encoded(image) for name, image in photographs.items()}
    blanks = {"white.jpg": noisy(255, 0), "night.png": noisy(4, 2), "gone.jpg": placeholder()}
    found = take_in(
        files | {name: encoded(image, "PNG" if "png" in name else "JPEG") for name, image in blanks.items()},
        {"kind": "blank"},
    )
    assert set(found.rows) == {f"web/{name}" for name in files}
    assert {key: reason for key, (reason, _) in found.rejects.items()} == {f"web/{name}": "blank" for name in blanks}
    assert found.filters == {"blank": {"rejected": 3}}
