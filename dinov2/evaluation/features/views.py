"""How an image becomes the input of a backbone."""

from dataclasses import dataclass
from typing import Protocol

import cv2

from dinov2.data.images import Pixels, evaluation_side, evaluation_view
from dinov2.evaluation.corruptions import corrupt

LONGEST = 4
"""Times the short side that the long one may have: of a panorama, whose attention nobody could pay, all is smaller."""


class View(Protocol):
    """Makes inputs of images.

    Attributes:
        digest: names everything that inputs depend on, besides the image.
        shortest: pixels on the shortest side of an image that will do.
        draws: whether the key of an image bears on its input.
    """

    @property
    def digest(self) -> str:
        """See above."""

    @property
    def shortest(self) -> int:
        """See above."""

    @property
    def draws(self) -> bool:
        """See above."""

    def __call__(self, image: Pixels, key: str) -> Pixels:
        """The input, (H', W', 3) uint8.

        Args:
            image: (H, W, 3) uint8.
            key: of the image, which draws whatever is random.
        """


@dataclass(frozen=True)
class Square:
    """The centre of an image, as models are evaluated on: 256 / 224 of `resolution` pixels on the short side, cropped.

    Attributes:
        resolution: side of the input in pixels.
        corruption: one of `CORRUPTIONS` and its severity, applied to the input, as ImageNet-C is made.
    """

    resolution: int
    corruption: tuple[str, int] | None = None

    @property
    def digest(self) -> str:
        """See `View`."""
        name, severity = self.corruption or ("", 0)
        return f"square {self.resolution} {name} {severity}"

    @property
    def shortest(self) -> int:
        """See `View`."""
        return evaluation_side(self.resolution)

    @property
    def draws(self) -> bool:
        """See `View`."""
        return self.corruption is not None

    def __call__(self, image: Pixels, key: str) -> Pixels:
        """See `View`."""
        seen = evaluation_view(image, self.resolution)
        return corrupt(seen, *self.corruption, key) if self.corruption else seen


@dataclass(frozen=True)
class Whole:
    """All of an image, its sides rounded to multiples of the patch: what is seen of it is up to half a patch off.

    Attributes:
        side: pixels on the short side, less where the long one would have more than four times as many.
        patch: in pixels.
        flipped: left for right.
    """

    side: int
    patch: int
    flipped: bool = False

    @property
    def digest(self) -> str:
        """See `View`."""
        return f"whole {self.side} {self.patch} {'flipped' * self.flipped}"

    @property
    def shortest(self) -> int:
        """See `View`."""
        return self.side

    @property
    def draws(self) -> bool:
        """See `View`."""
        return False

    def __call__(self, image: Pixels, key: str) -> Pixels:  # noqa: ARG002
        """See `View`."""
        height, width = self.size(image.shape[0], image.shape[1])
        how = cv2.INTER_AREA if height * width < image.shape[0] * image.shape[1] else cv2.INTER_CUBIC
        seen = cv2.resize(image, (width, height), interpolation=how)
        return seen[:, ::-1] if self.flipped else seen

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the input of an image of this height and width."""
        scale = self.side / max(min(height, width), max(height, width) / LONGEST)
        tall, wide = (max(1, round(scale * each / self.patch)) * self.patch for each in (height, width))
        return tall, wide
