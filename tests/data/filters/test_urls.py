from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.data.config import IngestConfig
from dinov2.data.filters.protocol import Filter
from dinov2.data.ingest import ingest
from dinov2.errors import ConfigError, DataError
from dinov2.storage import Store


@pytest.fixture
def blocking(create: Callable[..., Filter], tmp_path: Path) -> Callable[..., Filter]:
    """`blocking(urls, domains)`: the filter of lists with these contents."""

    def make(urls: str = "", domains: str = "") -> Filter:
        (tmp_path / "urls.txt").write_text(urls, encoding="utf-8")
        (tmp_path / "domains.txt").write_text(domains, encoding="utf-8")
        return create(kind="urls", urls=["urls.txt"], domains=["domains.txt"])

    return make


@pytest.mark.parametrize(
    ("uri", "blocked"),
    [
        ("http://bad.org/a.jpg", True),
        ("https://cdn.img.bad.org:8443/a.jpg", True),
        ("https://BAD.ORG./a.jpg", True),
        ("https://user@bad.org/a.jpg", True),
        ("https://notbad.org/a.jpg", False),
        ("https://bad.org.example.com/bad.org", False),
        ("https://fine.org/bad.org/a.jpg", False),
        ("https://bücher.example/a.jpg", True),
        ("https://shop.xn--bcher-kva.example/a.jpg", True),
        ("http://[broken", False),
        ("bad.org/a.jpg", False),
    ],
)
def test_a_domain_stands_for_itself_and_its_subdomains(
    uri: str, blocked: bool, blocking: Callable[..., Filter]
) -> None:
    own = blocking(domains="# evil\nBad.org  # as seen in 2024\n\n*.bücher.example\n")
    assert (own.before_reading(uri) is not None) is blocked


@pytest.mark.parametrize(
    ("uri", "blocked"),
    [
        ("http://a.org/x.jpg", True),
        ("https://A.org:443/x.jpg", True),
        ("https://a.org/x.jpg#part", True),
        ("https://a.org/X.jpg", False),
        ("https://a.org/x.jpg?size=1", False),
        ("https://b.org/y.jpg?size=1", True),
        ("https://b.org/y.jpg", False),
        ("https://b.org:8080/y.jpg?size=1", False),
    ],
)
def test_a_url_is_blocked_whatever_its_scheme_and_spelling(
    uri: str, blocked: bool, blocking: Callable[..., Filter]
) -> None:
    own = blocking(urls="https://a.org/x.jpg\nb.org/y.jpg?size=1\n")
    assert (own.before_reading(uri) is not None) is blocked


def test_what_is_blocked_is_never_asked_for(tmp_path: Path, jpeg: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg)
    (tmp_path / "bad.txt").write_text("127.0.0.1\n")
    pq.write_table(pa.table({"url": ["a.jpg", "http://127.0.0.1:9/b.jpg"]}), tmp_path / "list.parquet")
    config = IngestConfig.model_validate(
        {
            "sources": [{"name": "web", "uri": "list.parquet", "role": "pool"}],
            "filters": [{"kind": "urls", "domains": ["bad.txt"]}],
        }
    )
    paths = tmp_path / "m.parquet", tmp_path / "r.parquet"
    metrics = ingest(config, Store("store", tmp_path), tmp_path, tmp_path / "scratch", *paths)
    assert metrics["filters"] == {"urls": {"rejected": 1}}
    (row,) = pq.read_table(paths[1]).to_pylist()
    assert (row["reason"], row["detail"]) == ("urls", "the domain 127.0.0.1 is on the block list")


def test_lists_that_are_none_are_named(blocking: Callable[..., Filter], create: Callable, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"domains\.txt:2: '0\.0\.0\.0 bad\.org' is no domain; a line holds one"):
        blocking(domains="fine.org\n0.0.0.0 bad.org\n")
    with pytest.raises(ConfigError, match=r"ingest\.filters\.0\.urls\.1: 'gone\.txt': no such file in"):
        create(kind="urls", urls=["urls.txt", "gone.txt"])
    (tmp_path / "urls.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"urls\.txt: not UTF-8"):
        create(kind="urls", urls=["urls.txt"])
