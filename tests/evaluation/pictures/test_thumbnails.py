import base64
import io

import numpy as np
import pytest
from PIL import Image

from dinov2.data.manifest import write_manifest
from dinov2.evaluation.pictures.thumbnails import LONGEST, jpeg_uri, sheet_uri, thumbnails


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.mark.parametrize(("shape", "size"), [((400, 200), (64, 128)), ((50, 60), (60, 50)), ((5000, 3), (1, 128))])
def test_the_longest_side_shrinks_and_never_grows(shape, size):
    uri = jpeg_uri(np.full((*shape, 3), 200, np.uint8))
    assert uri.startswith("data:image/jpeg;base64,")
    assert opened(uri).size == size
    assert max(opened(uri).size) <= LONGEST


def test_images_are_found_by_key(tmp_path, manifest, reader):
    write_manifest(tmp_path / "manifest.parquet", manifest)
    found = thumbnails(tmp_path / "manifest.parquet", ["shapes/dark/03.png", "shapes/not/there.png"], reader)
    assert list(found) == ["shapes/dark/03.png"]
    assert opened(found["shapes/dark/03.png"]).size == (48, 40)


def test_nothing_asked_nothing_read(tmp_path, reader):
    assert thumbnails(tmp_path / "absent.parquet", [], reader) == {}


def test_a_sheet_keeps_its_transparency(tmp_path):
    Image.new("RGBA", (30, 20), (0, 0, 0, 0)).save(tmp_path / "sheet.png")
    uri, size = sheet_uri(tmp_path / "sheet.png")
    assert size == (30, 20)
    assert opened(uri).convert("RGBA").getpixel((0, 0))[3] == 0
