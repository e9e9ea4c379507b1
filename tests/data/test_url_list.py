import os
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.data import download
from dinov2.data.config import SourceConfig
from dinov2.data.url_list import UrlListSource
from dinov2.errors import DataError
from dinov2.storage import Store, patience


class Web(ThreadingHTTPServer):
    """Serves its own path as content; /busy answers 503 the first time, /gone and /secret never."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        path = unquote(self.path)
        self.server.asked[path] += 1
        first = self.server.asked[path] == 1
        status = {"/gone": 404, "/secret": 403, "/busy": 503 if first else 200}.get(path, 200)
        body = path.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) + (9 if path == "/short" else 0)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_S", 0.001)


def source(table: pa.Table, root: Path, store: Store) -> UrlListSource:
    pq.write_table(table, root / "list.parquet")
    return UrlListSource(SourceConfig(name="web", uri="list.parquet", role="pool"), store, root)


def test_a_url_is_downloaded_once_and_then_comes_from_the_store(tmp_path: Path, store: Store, web: Web) -> None:
    urls = [f"{web.url}/a.jpg", f"{web.url}/ü and space.jpg?size=1", f"{web.url}/busy"]
    found = source(pa.table({"url": urls, "label": [3, None, 5]}), tmp_path, store)
    entries = list(found.entries())
    assert [(e.path, e.uri, e.label) for e in entries] == list(zip(urls, urls, ("3", None, "5"), strict=True))
    for _ in range(2):
        assert [found.read(url) for url in urls] == [b"/a.jpg", "/ü and space.jpg?size=1".encode(), b"/busy"]
    assert web.asked == {"/a.jpg": 1, "/ü and space.jpg?size=1": 1, "/busy": 2}
    assert len(store.list("images")) == 3


@pytest.mark.parametrize(
    ("path", "again", "said"),
    [("/gone", False, "HTTP 404"), ("/secret", False, "HTTP 403"), ("/short", True, "IncompleteRead")],
)
def test_what_cannot_be_had_is_an_error_and_leaves_nothing(
    path: str, again: bool, said: str, tmp_path: Path, store: Store, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PATIENCE_S", 0.2)
    found = source(pa.table({"url": [web.url + path]}), tmp_path, store)
    with pytest.raises(OSError, match=said):
        found.read(web.url + path)
    assert (web.asked[path] > 1) == again
    assert store.list("images") == []


def test_paths_start_from_the_folder_of_the_list(tmp_path: Path, store: Store) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a b.jpg").write_bytes(b"local")
    urls = ["photos/a b.jpg", str(tmp_path / "photos" / "a b.jpg"), f"file://{tmp_path}/photos/a b.jpg"]
    found = source(pa.table({"url": urls}), tmp_path, store)
    assert [found.read(entry.uri) for entry in found.entries()] == [b"local"] * 3
    assert store.list("images") == [], "what is here needs no copy"


@pytest.mark.parametrize(
    "row", ["file://{path}", "local://{path}", "filecache::file://{path}", "s3://a::file://{path}", "FILE://{path}"]
)
def test_a_list_from_elsewhere_leads_to_no_file_of_this_machine(row: str, tmp_path: Path, store: Store) -> None:
    (tmp_path / "a.jpg").write_bytes(b"local")
    memory, row = fsspec.filesystem("memory"), row.format(path=tmp_path / "a.jpg")
    memory.pipe("/lists/b.jpg", b"beside it")
    with memory.open("/lists/list.parquet", "wb") as file:
        pq.write_table(pa.table({"url": [row, "b.jpg", "memory://lists/b.jpg"]}), file)
    found = UrlListSource(SourceConfig(name="web", uri="memory://lists/list.parquet", role="pool"), store, tmp_path)
    assert [entry.version for entry in found.entries()] == ["", "", ""]
    with pytest.raises(FileNotFoundError, match="a list from elsewhere names only http://, https://, s3://, memory://"):
        found.read(row)
    assert [found.read(uri) for uri in ("b.jpg", "memory://lists/b.jpg")] == [b"beside it"] * 2


def test_rows_without_url_are_faults(tmp_path: Path, store: Store) -> None:
    found = source(pa.table({"url": ["a.jpg", None, ""]}), tmp_path, store)
    assert [(e.path, e.fault) for e in found.entries()] == [
        ("a.jpg", ""),
        ("row 1", "the row has no url"),
        ("row 2", "the row has no url"),
    ]


def test_a_list_that_is_none_is_named(tmp_path: Path, store: Store) -> None:
    with pytest.raises(DataError, match=r"source web: list.parquet: has columns \['link'\], but none is called 'url'"):
        list(source(pa.table({"link": ["a"]}), tmp_path, store).entries())
    missing = UrlListSource(SourceConfig(name="web", uri="none.parquet", role="pool"), store, tmp_path)
    with pytest.raises(DataError, match=r"source web: none\.parquet: no such file"):
        missing.listing_digest()
    (tmp_path / "text.parquet").write_text("url\n")
    text = UrlListSource(SourceConfig(name="web", uri="text.parquet", role="pool"), store, tmp_path)
    with pytest.raises(DataError, match=r"source web: text\.parquet: not a Parquet file"):
        list(text.entries())


def test_the_listing_digest_is_that_of_the_list(tmp_path: Path, store: Store) -> None:
    first = source(pa.table({"url": ["a", "b"]}), tmp_path, store).listing_digest()
    assert source(pa.table({"url": ["a", "b"]}), tmp_path, store).listing_digest() == first
    assert source(pa.table({"url": ["a", "c"]}), tmp_path, store).listing_digest() != first


def test_a_file_that_changes_has_another_version_and_a_url_has_none(tmp_path: Path, store: Store) -> None:
    (tmp_path / "a.jpg").write_bytes(b"local")
    urls = ["a.jpg", f"file://{tmp_path}/a.jpg", "http://example.org/a.jpg", "gone.jpg", "a\0b.jpg"]
    found = source(pa.table({"url": urls}), tmp_path, store)
    os.utime(tmp_path / "a.jpg", ns=(7, 7))
    assert [entry.version for entry in found.entries()] == ["7", "7", "", "", ""]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://[broken", "not a valid URL"),
        ("http://127.0.0.1:port/a.jpg", "not a valid URL"),
        ("blob:https://example.org/a", "unknown protocol"),
        ("data://x", "not a valid URL"),
        ("s3://", "not a valid name"),
        ("a\0b.jpg", "not a path"),
    ],
)
def test_a_row_that_leads_nowhere_is_its_own_fault(url: str, said: str, tmp_path: Path, store: Store) -> None:
    found = source(pa.table({"url": [url]}), tmp_path, store)
    with pytest.raises(FileNotFoundError, match=said):
        found.read(url)


def test_a_scheme_may_be_in_capitals(tmp_path: Path, store: Store, web: Web) -> None:
    url = f"{web.url.upper()}/a.jpg"
    assert source(pa.table({"url": [url]}), tmp_path, store).read(url) == b"/a.jpg"


@pytest.mark.parametrize("kind", [pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string())])
def test_text_may_be_of_any_type(kind: pa.DataType, tmp_path: Path, store: Store) -> None:
    column = pa.array(["a.jpg", None, "é.jpg"], pa.string()).cast(kind)
    found = list(source(pa.table({"url": column, "label": column}), tmp_path, store).entries())
    assert [(entry.path, entry.label) for entry in found] == [
        ("a.jpg", "a.jpg"), ("row 1", None), ("é.jpg", "é.jpg"),
    ]  # fmt: skip


def test_bytes_that_are_no_text_are_carried_as_in_names_of_files(tmp_path: Path, store: Store) -> None:
    column = pa.array([b"a.jpg", b"\xe9.jpg"]).view(pa.string())
    found = source(pa.table({"url": column}), tmp_path, store).entries()
    assert [entry.uri for entry in found] == ["a.jpg", os.fsdecode(b"\xe9.jpg")]


def test_a_column_of_numbers_is_no_list_of_urls(tmp_path: Path, store: Store) -> None:
    with pytest.raises(DataError, match=r"source web: list\.parquet: column 'url' holds int64, not text"):
        list(source(pa.table({"url": [1, 2]}), tmp_path, store).entries())
