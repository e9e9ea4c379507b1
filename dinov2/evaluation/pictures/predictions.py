"""What heads on frozen patches predict for pixels, beside the truth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from dinov2.data.images import Pixels
from dinov2.errors import DataError
from dinov2.evaluation.pictures.palette import palette
from dinov2.evaluation.pictures.picture import Colour, Picture
from dinov2.evaluation.pictures.tiles import in_colour, strip

NAMED = 12
"""Classes in the legend: those of most pixels."""


@dataclass(frozen=True)
class Collector:
    """A `Watcher` that keeps the predictions of a few test images.

    Attributes:
        numbers: of these images.
        found: (H, W) predictions by number, once they were seen.
    """

    numbers: Sequence[int]
    found: dict[int, np.ndarray] = field(default_factory=dict)

    def __call__(self, number: int, predicted: np.ndarray) -> None:
        """Keep it if it is wanted."""
        if number in self.numbers:
            self.found[number] = predicted.copy()

    def all(self) -> list[np.ndarray]:
        """The predictions in the order of their numbers as they were asked for.

        Raises:
            DataError: some were never seen.
        """
        if missing := [number for number in self.numbers if number not in self.found]:
            raise DataError(f"predictions of test images {', '.join(map(str, missing))} were never seen")
        return [self.found[number] for number in self.numbers]


def segmentation_picture(
    images: Sequence[Pixels], truths: Sequence[np.ndarray], predicted: Sequence[np.ndarray], classes: Sequence[str]
) -> Picture:
    """Photographs, their masks, and the classes that are predicted.

    Args:
        images: of any size.
        truths: (H, W) numbers of classes; what is negative does not count and is transparent, in predictions too.
        predicted: (H, W) likewise.
        classes: their names.
    """
    colours = palette(len(classes))
    counted = [np.where(truth < 0, truth, found) for truth, found in zip(truths, predicted, strict=True)]
    pixels = np.bincount(
        np.concatenate([each[each >= 0].ravel() for each in (*truths, *counted)]), minlength=len(classes)
    )
    named = [int(each) for each in np.argsort(-pixels, kind="stable")[:NAMED] if pixels[each]]
    right = sum(int((truth == found)[truth >= 0].sum()) for truth, found in zip(truths, predicted, strict=True))
    return _picture(
        "segmentation",
        "Segmentation",
        "Photographs, the true class of every pixel, and the class that a linear layer on the frozen patches predicts. "
        "What does not count is left empty.",
        (images, truths, counted),
        lambda numbers_hw: _painted(numbers_hw, colours),
        {classes[each]: colours[each] for each in named},
        f"{100 * right / max(1, sum(int((truth >= 0).sum()) for truth in truths)):.0f}% of the pixels shown are right",
    )


def depth_picture(images: Sequence[Pixels], truths: Sequence[np.ndarray], predicted: Sequence[np.ndarray]) -> Picture:
    """Photographs, their distances, and those that are predicted, on one scale.

    Args:
        images: of any size.
        truths: (H, W) metres; 0 where there is no reading, which is transparent.
        predicted: (H, W) metres everywhere.
    """
    known = np.concatenate([each[each > 0].ravel() for each in truths])
    low, high = (float(each) for each in np.percentile(known, (1, 99))) if len(known) else (0.0, 1.0)
    shades = {f"{metres:.1f} m": (metres - low) / max(high - low, 1e-12) for metres in np.linspace(low, high, 5)}
    return _picture(
        "depth",
        "Depth",
        "Photographs, the measured distance of every pixel, and what a head on the frozen patches predicts. Where "
        "there is no reading, it is left empty.",
        (images, truths, predicted),
        lambda metres_hw: _shaded(metres_hw, low, high),
        {name: _rgb(in_colour(np.array([[share]]))[0, 0]) for name, share in shades.items()},
    )


def _picture(
    name: str,
    title: str,
    caption: str,
    shown: tuple[Sequence[Pixels], Sequence[np.ndarray], Sequence[np.ndarray]],
    painted: Callable[[np.ndarray], Pixels],
    legend: dict[str, Colour],
    note: str = "",
) -> Picture:
    images, truths, predicted = shown
    rows = {"photographs": strip(images)}
    rows |= {
        each: strip([painted(map_hw) for map_hw in maps])
        for each, maps in (("truth", truths), ("predicted", predicted))
    }
    return Picture(
        name,
        title,
        caption,
        "Photographs, the truth about every pixel, and what is predicted",
        rows,
        False,
        legend,
        note,
    )


def _painted(numbers_hw: np.ndarray, colours: Sequence[Colour]) -> Pixels:
    rgba = np.array([(*colour, 255) for colour in colours] + [(0, 0, 0, 0)], np.uint8)
    return rgba[np.where(numbers_hw < 0, len(colours), numbers_hw)]


def _shaded(metres_hw: np.ndarray, low: float, high: float) -> Pixels:
    rgb = in_colour(((metres_hw - low) / max(high - low, 1e-12)).clip(0, 1))
    return np.dstack([rgb, np.where(metres_hw > 0, 255, 0).astype(np.uint8)])


def _rgb(pixel: np.ndarray) -> Colour:
    red, green, blue = (int(each) for each in pixel)
    return red, green, blue
