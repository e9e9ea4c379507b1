"""Faces are blurred: images with any are replaced by blurred copies, which are kept in the store."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field, PositiveInt

from dinov2.data.filters.protocol import FULL, Changed, Filter, Place, WithFiles
from dinov2.data.images import Pixels, resize_shortest
from dinov2.errors import ConfigError
from dinov2.storage import digest

VERSION = 1
MARGIN = 0.15
"""Share of a face's box that is blurred beyond it, on each side."""
GRID = 16
"""Blurring is done on so many pixels a side: nothing finer of a face is left, however large it is."""
QUALITY = 95

Boxes = list[tuple[float, float, float, float]]
"""Left, top, width and height of each face."""


class FacesConfig(WithFiles):
    """Which faces are found, and by what."""

    kind: Literal["faces"]
    detector: str | None = Field(
        None, description="a YuNet .onnx file, relative to the workspace; null: the Haar cascade of OpenCV 4"
    )
    threshold: float = Field(0.8, ge=0, le=1, description="of YuNet: least score of a face")
    neighbours: PositiveInt = Field(8, description="of the cascade: detections that must agree on a face")
    smallest: float = Field(0.04, gt=0, le=1, description="smallest face, as a share of the image's shortest side")
    resolution: PositiveInt = Field(
        640, description="pixels on the shortest side that faces are looked for at, at most"
    )

    def files(self) -> dict[str, str]:
        """See `WithFiles`."""
        return {"detector": self.detector} if self.detector else {}


class Faces(Filter):
    """Leaves no image out. A copy keeps its original's key; it is JPEG, upright, and named after its original and this.

    Raises:
        ConfigError: the detector is no YuNet file, or this OpenCV has no cascade.
    """

    kind = "faces"
    side = FULL

    def __init__(self, config: FacesConfig, place: Place) -> None:
        super().__init__(config, place)
        self._config, self._store = config, place.store
        self._name = digest(VERSION, self.identity)
        # Detectors are not thread-safe.
        self._own = threading.local()
        self._create = _yunet(config, place) if config.detector else _cascade(config, place)
        self._detect(np.zeros((64, 64, 3), np.uint8))

    def change(self, image: Pixels, sha256: str) -> Changed | None:
        """See `Filter`."""
        boxes = self._detect(image)
        if not boxes:
            return None
        blurred = image.copy()
        for box in boxes:
            _blur(blurred, box)
        bgr = cv2.cvtColor(blurred, cv2.COLOR_RGB2BGR)
        data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
        name = digest(sha256, self._name)
        blob = f"blurred/{name[:2]}/{name}.jpg"
        self._store.write(blob, data)
        return Changed(blob, data, image.shape[1], image.shape[0], len(boxes))

    def _detect(self, image: Pixels) -> Boxes:
        if not hasattr(self._own, "detect"):
            self._own.detect = self._create()
        scale = min(1.0, self._config.resolution / min(image.shape[:2]))
        seen = image if scale == 1 else resize_shortest(image, self._config.resolution)
        height, width = (own / other for own, other in zip(image.shape[:2], seen.shape[:2], strict=True))
        return [(x * width, y * height, w * width, h * height) for x, y, w, h in self._own.detect(seen)]


def _cascade(config: FacesConfig, place: Place) -> Callable[[], Callable[[Pixels], Boxes]]:
    """The cascade for frontal faces of Viola and Jones 2001, as OpenCV trained it."""
    path = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
    if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
        raise ConfigError(f"{place.key}: OpenCV {cv2.__version__} has no cascade; install OpenCV 4, or give a detector")

    def create() -> Callable[[Pixels], Boxes]:
        cascade = cv2.CascadeClassifier(str(path))

        def detect(image: Pixels) -> Boxes:
            least = max(24, round(config.smallest * min(image.shape[:2])))
            grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
            found = cascade.detectMultiScale(grey, 1.1, config.neighbours, minSize=(least, least))
            return [(float(x), float(y), float(w), float(h)) for x, y, w, h in found]

        return detect

    return create


def _yunet(config: FacesConfig, place: Place) -> Callable[[], Callable[[Pixels], Boxes]]:
    """YuNet (Wu et al. 2023), a small network, as OpenCV runs it."""
    path = str(place.file("detector", str(config.detector)))

    def create() -> Callable[[Pixels], Boxes]:
        with _told(config, place):
            network: Any = cv2.FaceDetectorYN.create(path, "", (320, 320), config.threshold)

        def detect(image: Pixels) -> Boxes:
            network.setInputSize(image.shape[1::-1])
            with _told(config, place):
                _, found = network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
            least = config.smallest * min(image.shape[:2])
            rows = [] if found is None else found[:, :4].tolist()
            boxes: Boxes = [(x, y, width, height) for x, y, width, height in rows]
            return [box for box in boxes if min(box[2:]) >= least]

        return detect

    return create


@contextmanager
def _told(config: FacesConfig, place: Place) -> Iterator[None]:
    try:
        yield
    except cv2.error as error:
        why = str(error).strip().split("\n")[0]
        raise ConfigError(f"{place.key}.detector: {config.detector!r}: no YuNet file: {why}") from None


def _blur(image: Pixels, box: tuple[float, float, float, float]) -> None:
    """Blur a box and a margin of an (H, W, 3) image, in place."""
    x, y, width, height = box
    left, top = max(0, round(x - MARGIN * width)), max(0, round(y - MARGIN * height))
    # A detector may place a face beyond any edge, and a negative end of a slice would count from the opposite one.
    right, bottom = max(0, round(x + (1 + MARGIN) * width)), max(0, round(y + (1 + MARGIN) * height))
    region = image[top:bottom, left:right]
    if not region.size:
        return
    coarse = cv2.resize(region, (GRID, GRID), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(coarse, (0, 0), GRID / 8)
    image[top:bottom, left:right] = cv2.resize(smooth, region.shape[1::-1], interpolation=cv2.INTER_LINEAR)
