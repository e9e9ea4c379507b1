import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from dinov2.data.config import SourceConfig
from dinov2.data.folder import FolderSource
from dinov2.data.sample import SampleSource
from dinov2.data.sources import ImageReader, open_source
from dinov2.data.tar import TarSource
from dinov2.data.url_list import UrlListSource
from dinov2.errors import DataError
from dinov2.storage import Store


@pytest.fixture
def reader(tmp_path: Path, store: Store) -> ImageReader:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(name.encode())
    sources = [SourceConfig(name=name, uri=name, role="pool") for name in ("one", "two")]
    return ImageReader(sources, store, tmp_path)


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("images", FolderSource),
        ("memory://bucket/prefix", FolderSource),
        ("shards/{000..009}.tar", TarSource),
        ("memory://bucket/*.tar", TarSource),
        ("list.parquet", UrlListSource),
        ("sample:pool", SampleSource),
    ],
)
def test_the_uri_tells_the_kind_of_source(uri: str, kind: type, tmp_path: Path, store: Store) -> None:
    assert type(open_source(SourceConfig(name="a", uri=uri, role="pool"), store, tmp_path)) is kind


def test_images_are_read_by_source_and_uri(reader: ImageReader) -> None:
    assert (reader.read("one", "a.jpg"), reader.read("two", "a.jpg")) == (b"one", b"two")


def test_another_process_reads_the_same(reader: ImageReader) -> None:
    reader.read("one", "a.jpg")
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        assert pool.submit(reader.read, "two", "a.jpg").result() == b"two"
    assert pickle.loads(pickle.dumps(reader)).read("one", "a.jpg") == b"one"


def test_a_blob_that_takes_an_images_place_comes_from_the_store(reader: ImageReader, store: Store) -> None:
    store.write("blurred/ab/a.jpg", b"hidden")
    assert reader.read("one", "store::blurred/ab/a.jpg") == b"hidden"
    with pytest.raises(DataError, match=r"source one: cannot read store::blurred/ab/b\.jpg"):
        reader.read("one", "store::blurred/ab/b.jpg")


def test_what_cannot_be_read_is_named(reader: ImageReader) -> None:
    with pytest.raises(DataError, match=r"names source 'three'; params.yaml has \['one', 'two'\]"):
        reader.read("three", "a.jpg")
    with pytest.raises(DataError, match=r"source one: cannot read gone\.jpg"):
        reader.read("one", "gone.jpg")
