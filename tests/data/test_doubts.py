"""What is damaged, lost or changed in the store is mended by what the error says: embed, ingest, embed."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.curation.config import HashConfig
from dinov2.curation.descriptors import create_descriptor
from dinov2.curation.embed import Embedder
from dinov2.data import look
from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.doubts import FOLDER, doubt
from dinov2.data.examine import examine
from dinov2.data.ingest import fill as look_ahead
from dinov2.data.sample.photographs import photograph
from dinov2.data.sources import ImageReader
from dinov2.data.stream import read_bytes
from dinov2.data.url_list import downloaded
from dinov2.errors import DataError
from dinov2.storage import Store
from tests.data.filters.conftest import encoded
from tests.data.ingesting import Ingested, Numbered, fill, take_in

FACES = {"filters": ({"kind": "faces"},)}
NAMES = ("her.jpg", "0.jpg", "1.jpg")
DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": lambda path: path.write_bytes(path.read_bytes()[:-9] + b"?" + path.read_bytes()[-8:]),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "lost": Path.unlink,
}
ERROR = r"^web/http\S+/{name}: .*run `dvc repro -f ingest`, which looks at it again$"


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def site(tmp_path: Path, numbered: Numbered) -> Iterator[Path]:
    """The folder that a web site shows, which the list of URLs `list.parquet` names; one image has a face."""
    folder = tmp_path / "site"
    fill(folder, {"her.jpg": encoded(photograph("astronaut.png")), **{f"{n}.jpg": numbered(n) for n in range(2)}})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        urls = [f"http://127.0.0.1:{server.server_port}/{name}" for name in NAMES]
        pq.write_table(pa.table({"url": urls}), tmp_path / "list.parquet")
        yield folder
        server.shutdown()
        thread.join()


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that ingest looked at."""
    found: list[str] = []

    def counted(item: dict, **options: object) -> dict:
        found.append(Path(item["uri"]).name)
        return examine(item, **options)

    monkeypatch.setattr(look, "examine", counted)
    return found


def ingest(root: Path, *more: SourceConfig) -> Ingested:
    return take_in(root, *more, pool="list.parquet", **FACES)


def row_of(found: Ingested, name: str) -> dict:
    return next(row for row in found.manifest.to_pylist() if row["key"].endswith(f"/{name}"))


def blob_of(root: Path, row: dict) -> Path:
    """Where an image of the manifest lies in the store."""
    if row["uri"].startswith("store::"):
        return root / "store" / row["uri"].removeprefix("store::")
    return root / "store" / downloaded(row["uri"])


def embed(root: Path, *more: SourceConfig) -> int:
    """How many images there are; none has a vector before."""
    store = Store("store", root)
    store.delete("embeddings")
    reader = ImageReader([SourceConfig(name="web", uri="list.parquet", role="pool"), *more], store, root)
    return Embedder(reader, store, root / "scratch", 8, 2)(
        root / "manifest.parquet", [create_descriptor(HashConfig(), root)]
    )


def assert_whole(root: Path, found: Ingested) -> None:
    """The store holds what the manifest says, and embed has nothing against it."""
    assert embed(root) == found.manifest.num_rows
    for row in found.manifest.to_pylist():
        assert hashlib.sha256(blob_of(root, row).read_bytes()).hexdigest() == row["sha256"]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["her.jpg", "0.jpg"], ids=["blurred", "downloaded"])
def test_the_remedy_that_the_error_names_mends_a_blob(tmp_path: Path, name: str, damage: str, looks: list[str]) -> None:
    whole = ingest(tmp_path)
    row = row_of(whole, name)
    assert row["uri"].startswith("store::blurred/") == (name == "her.jpg")
    for _ in range(2):  # what was mended may be damaged again
        DAMAGES[damage](blob_of(tmp_path, row))
        if (name, damage) != ("0.jpg", "lost"):  # which is had again as ever
            with pytest.raises(DataError, match=ERROR.format(name=name)):
                embed(tmp_path)
            looks.clear()
            assert ingest(tmp_path).manifest.equals(whole.manifest)
            assert looks == [name], "nothing else is forgotten"
        assert_whole(tmp_path, whole)
        looks.clear()
        assert ingest(tmp_path).manifest.equals(whole.manifest)
        assert looks == [], "it is not doubted any more"


@pytest.mark.parametrize("name", ["her.jpg", "0.jpg"], ids=["blurred", "downloaded"])
def test_a_site_that_changed_ends_in_a_manifest_of_the_new_bytes(
    site: Path, tmp_path: Path, name: str, numbered: Numbered, looks: list[str]
) -> None:
    row = row_of(ingest(tmp_path), name)
    fill(site, {name: numbered(7)})
    blob_of(tmp_path, row).unlink()
    blob_of(tmp_path, {"uri": row["key"].removeprefix("web/")}).unlink(missing_ok=True)
    with pytest.raises(DataError, match=ERROR.format(name=name)):
        embed(tmp_path)
    changed = ingest(tmp_path)
    assert row_of(changed, name)["sha256"] == hashlib.sha256(numbered(7)).hexdigest()
    looks.clear()
    for _ in range(2):
        assert ingest(tmp_path).manifest.equals(changed.manifest)
        assert_whole(tmp_path, changed)
    assert looks == []


def test_what_changes_back_is_what_it_was(site: Path, tmp_path: Path, numbered: Numbered) -> None:
    first = ingest(tmp_path)
    for number in (7, 8, 0, 7):
        fill(site, {"0.jpg": numbered(number)})
        blob_of(tmp_path, row_of(first, "0.jpg")).write_bytes(b"damaged")
        with pytest.raises(DataError, match="bytes are not those"):
            embed(tmp_path)
        found = ingest(tmp_path)
        assert row_of(found, "0.jpg")["sha256"] == hashlib.sha256(numbered(number)).hexdigest()
        assert_whole(tmp_path, found)


def test_a_site_that_is_gone_costs_the_image_and_no_more(site: Path, tmp_path: Path) -> None:
    row = row_of(ingest(tmp_path), "0.jpg")
    (site / "0.jpg").unlink()
    blob_of(tmp_path, row).unlink()
    with pytest.raises(DataError, match=ERROR.format(name="0.jpg").replace(": .*", ": .*HTTP 404.*")):
        embed(tmp_path)
    found = ingest(tmp_path)
    assert found.rejects["detail"].to_pylist() == ["cannot be read: HTTP 404"]
    assert_whole(tmp_path, found)


def test_who_has_an_old_manifest_does_not_remove_what_is_right_by_now(
    site: Path, tmp_path: Path, numbered: Numbered
) -> None:
    row = row_of(ingest(tmp_path), "0.jpg")
    old = (tmp_path / "manifest.parquet").read_bytes()
    fill(site, {"0.jpg": numbered(7)})
    blob_of(tmp_path, row).write_bytes(b"damaged")
    for manifest in (old, None, old):
        if manifest:
            (tmp_path / "manifest.parquet").write_bytes(manifest)
            with pytest.raises(DataError, match="bytes are not those"):
                embed(tmp_path)
        else:
            found = ingest(tmp_path)
            (site / "0.jpg").unlink()
    assert ingest(tmp_path).manifest.equals(found.manifest)
    assert_whole(tmp_path, found)


@pytest.mark.usefixtures("site")
def test_a_manifest_of_a_source_that_is_called_otherwise_doubts_nothing(tmp_path: Path) -> None:
    found = ingest(tmp_path)
    store = Store("store", tmp_path)
    before = store.list("images"), store.list("ingest")
    renamed = ImageReader([SourceConfig(name="other", uri="list.parquet", role="pool")], store, tmp_path)
    with pytest.raises(DataError, match=r"^the manifest names source 'web'; params.yaml has \['other'\]$"):
        read_bytes(renamed, row_of(found, "0.jpg"))
    assert (store.list("images"), store.list("ingest")) == before


@pytest.mark.s3
def test_doubts_lie_in_an_object_store_as_well(bucket: Store) -> None:
    url, other = "https://example.org/a.jpg", "https://example.org/b.jpg"
    for each in (url, other):
        bucket.write(downloaded(each), b"damaged")
    for uri in (url, "store::blurred/ab/c.jpg", "https://example.org/lost.jpg"):
        doubt(bucket, uri, "0" * 64)
    assert bucket.list("images") == [downloaded(other)]
    assert len(bucket.list(FOLDER)) == 3
    bucket.write(downloaded(url), b"had again")
    doubt(bucket, url, "0" * 64)
    assert bucket.read(downloaded(url)) == b"had again"


def test_a_url_in_two_sources_is_one_image(site: Path, tmp_path: Path, numbered: Numbered) -> None:
    again = SourceConfig(name="again", uri="again.parquet", role="pool")
    pq.write_table(pq.read_table(tmp_path / "list.parquet"), tmp_path / "again.parquet")
    row = row_of(ingest(tmp_path, again), "0.jpg")
    fill(site, {"0.jpg": numbered(7)})
    blob_of(tmp_path, row).write_bytes(b"damaged")
    with pytest.raises(DataError, match="bytes are not those"):
        embed(tmp_path, again)
    found = ingest(tmp_path, again)
    assert row_of(found, "0.jpg")["sha256"] == hashlib.sha256(numbered(7)).hexdigest()
    assert len(set(found.manifest["sha256"].to_pylist())) == 3
    assert embed(tmp_path, again) == 3


@pytest.mark.usefixtures("site")
def test_one_index_of_a_job_looks_again(tmp_path: Path, looks: list[str]) -> None:
    whole = ingest(tmp_path)
    blob_of(tmp_path, row_of(whole, "her.jpg")).unlink()
    with pytest.raises(DataError, match=ERROR.format(name="her.jpg")):
        embed(tmp_path)
    looks.clear()
    config = IngestConfig(sources=(SourceConfig(name="web", uri="list.parquet", role="pool"),), **FACES)
    for index in range(3):
        look_ahead(config, Store("store", tmp_path), tmp_path, tmp_path / "scratch", index, 3)
    assert ingest(tmp_path).manifest.equals(whole.manifest)
    assert looks == ["her.jpg"]
    assert_whole(tmp_path, whole)
