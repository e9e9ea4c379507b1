import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from dinov2.data.config import SourceConfig
from dinov2.data.filters.protocol import Filter
from dinov2.data.images import decode_rgb
from dinov2.data.sample.photographs import photograph
from dinov2.data.sources import ImageReader
from dinov2.errors import ConfigError
from dinov2.storage import Store
from tests.data.filters.conftest import encoded

FACE = slice(70, 170), slice(180, 270)
"""Where the astronaut's face is, of 512×512 pixels."""
BELOW = slice(330, 512), slice(0, 512)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    """A real photograph of a woman, (512, 512, 3)."""
    return photograph("astronaut.png")


def detail(image: np.ndarray) -> float:
    """Mean size of the Laplacian: how sharp an image is."""
    return float(np.abs(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_64F)).mean())


def test_a_copy_with_a_blurred_face_takes_the_place_of_its_original(
    take_in: Callable, astronaut: np.ndarray, photographs: dict[str, np.ndarray], tmp_path: Path
) -> None:
    files = {"her.png": encoded(astronaut, "PNG"), "cup.jpg": encoded(photographs["coffee"])}
    found = take_in(files, {"kind": "faces"})
    assert found.filters == {"faces": {"rejected": 0, "blurred": 1, "faces": 1}}
    assert found.rows["web/cup.jpg"]["uri"] == "cup.jpg"
    row = found.rows["web/her.png"]
    assert row["uri"].startswith("store::blurred/")
    reader = ImageReader([SourceConfig(name="web", uri="pool", role="pool")], Store("store", tmp_path), tmp_path)
    data = reader.read(row["source"], row["uri"])
    assert (row["sha256"], row["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    copy = decode_rgb(data)
    assert copy.shape == astronaut.shape == (row["height"], row["width"], 3)
    assert detail(copy[FACE]) < 0.2 * detail(astronaut[FACE])
    assert np.abs(copy[BELOW].astype(int) - astronaut[BELOW]).mean() < 4, "what is no face changed"
    assert found.filters == take_in(files, {"kind": "faces"}).filters, "what is known already counts as well"


def test_a_turned_photograph_is_stored_upright(take_in: Callable, astronaut: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = np.ascontiguousarray(np.rot90(astronaut[:400]))
    row = take_in({"a.jpg": encoded(lying, exif=exif, quality=95)}, {"kind": "faces"}).rows["web/a.jpg"]
    assert row["uri"].startswith("store::")
    assert (row["width"], row["height"]) == (512, 400)


def test_the_copys_name_follows_original_and_parameters(create: Callable, astronaut: np.ndarray) -> None:
    names = {
        create(kind="faces", **options).change(astronaut, sha256).name
        for options in ({}, {"resolution": 320})
        for sha256 in ("a" * 64, "b" * 64)
    }
    assert len(names) == 4
    again = create(kind="faces").change(astronaut, "a" * 64)
    assert again.name in names
    assert again.data == create(kind="faces").change(astronaut, "b" * 64).data


def test_a_detector_of_the_users_tells_where_faces_are(
    create: Callable, astronaut: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Detector:
        """Stands for the network: no file of it comes with OpenCV."""

        def setInputSize(self, size: tuple[int, int]) -> None:  # noqa: N802
            self.size = size

        def detect(self, image: np.ndarray) -> tuple[int, np.ndarray | None]:
            assert image.shape[1::-1] == self.size
            scale = image.shape[0] / 512
            found = [[180, 70, 90, 100], [5, 5, 4, 4], [600, 600, 90, 90], [-20, 440, 60, 100]]
            return 1, None if image.max() == 0 else np.array([[*(scale * np.array(b)), *[0] * 11] for b in found])

    (tmp_path / "yunet.onnx").write_bytes(b"network")
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", lambda *_: Detector())
    own: Filter = create(kind="faces", detector="yunet.onnx", resolution=256)
    changed = own.change(astronaut, "a" * 64)
    assert changed is not None
    copy = decode_rgb(changed.data)
    assert changed.faces == 3, "the one that is too small does not count"
    assert detail(copy[FACE]) < 0.2 * detail(astronaut[FACE])
    assert detail(copy[450:500, :30]) < 0.5 * detail(astronaut[450:500, :30])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("place", [-400, -140, 660])
def test_a_face_wholly_beyond_an_edge_leaves_the_picture_as_it_is(
    create: Callable, astronaut: np.ndarray, axis: int, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    corner = np.roll([place, 200], axis).tolist()
    own = create(kind="faces")
    monkeypatch.setattr(own, "_detect", lambda _: [(*corner, 100.0, 100.0)])
    copy = decode_rgb(own.change(astronaut, "a" * 64).data)
    assert np.abs(copy.astype(int) - astronaut).mean() < 4


def test_a_file_that_is_no_detector_is_named(create: Callable, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ConfigError, match=r"ingest\.filters\.0\.detector: 'text\.onnx': no YuNet file: "):
        create(kind="faces", detector="text.onnx")
    with pytest.raises(ConfigError, match=r"ingest\.filters\.0\.detector: 'gone\.onnx': no such file"):
        create(kind="faces", detector="gone.onnx")
