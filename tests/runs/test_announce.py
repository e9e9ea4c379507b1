"""New images are announced to a server over real HTTP, and only those that a source has."""

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from dinov2.data.config import SourceConfig
from dinov2.errors import ConfigError, UnreachableError, UserError
from dinov2.runs.announce import announce, source_of
from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.stages.params import load_params

ROOT = Path(__file__).parents[2]
SOURCES = [
    SourceConfig(name="web", uri="s3://bucket/web", role="pool"),
    SourceConfig(name="local", uri="photos/own", role="pool"),
    SourceConfig(name="tars", uri="s3://bucket/tars/shard-{000..099}.tar", role="pool"),
    SourceConfig(name="globbed", uri="/archive/*.tar", role="pool"),
    SourceConfig(name="sample", uri="sample:pool", role="pool"),
]


@dataclass
class Server:
    """What a server was sent, and what it answers."""

    url: str = ""
    status: int = 204
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that PREFECT_API_URL names."""
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.requests.append((self.path, dict(self.headers), body))
            self.send_response(told.status)
            if told.status in (301, 302, 307):
                self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            told.requests.append((self.path, dict(self.headers), None))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
    thread.start()
    told.url = f"http://127.0.0.1:{listening.server_port}/api"
    monkeypatch.setenv("PREFECT_API_URL", told.url)
    monkeypatch.delenv("PREFECT_API_AUTH_STRING", raising=False)
    yield told
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(tmp_path, load_params(ROOT), Settings())


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://bucket/web", "web"),
        ("s3://bucket/web/", "web"),
        ("s3://bucket/web/2026/11", "web"),
        ("photos/own/new.jpg", "local"),
        ("/workspace/photos/own", "local"),
        ("file:///workspace/photos/own/new", "local"),
        ("s3://bucket/tars/shard-012.tar", "tars"),
        ("s3://bucket/tars/shard-{000..099}.tar", "tars"),
        ("/archive/new.tar", "globbed"),
        ("sample:pool", "sample"),
    ],
)
def test_a_place_in_a_source_is_of_that_source(uri: str, name: str) -> None:
    assert source_of(uri, SOURCES, Path("/workspace")).name == name


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/website",
        "s3://bucket/web/../private",
        "s3://other/web",
        "photos",
        "photos/own/../../etc",
        "/etc/passwd",
        "/bucket/web",
        "sample:curated",
        "",
    ],
)
def test_a_place_in_no_source_is_refused_with_the_sources(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"in no source of params\.yaml; sources: web \(s3://bucket/web\), local"):
        source_of(uri, SOURCES, Path("/workspace"))


def test_a_password_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError) as error:
        source_of("https://me:secret@host/web", SOURCES, Path("/workspace"))
    assert "secret" not in str(error.value)


def test_the_event_is_what_prefect_takes(server: Server, context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    from prefect.server.events.schemas.events import Event  # its own schema is the truth

    announce(context, "sample:pool")
    ((path, headers, (event,)),) = server.requests
    assert path == "/api/events"
    assert "Authorization" not in headers
    taken = Event.model_validate(event)
    assert taken.event == "dinov2.data.announced"
    assert taken.resource.id == "dinov2.pool"
    assert taken.payload == {"uri": "sample:pool", "source": "pool"}
    assert abs((datetime.now(taken.occurred.tzinfo) - taken.occurred).total_seconds()) < 60
    assert "announced: source pool" in capsys.readouterr().out


def test_the_login_is_sent(server: Server, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:password")
    announce(context, "sample:pool")
    assert server.requests[0][1]["Authorization"] == "Basic YWRtaW46cGFzc3dvcmQ="


def test_nothing_is_sent_of_a_place_in_no_source(server: Server, context: Context) -> None:
    with pytest.raises(ConfigError, match="in no source"):
        announce(context, "elsewhere")
    assert not server.requests


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (200, UserError, "answers 200, which Prefect's API does not"),
        (302, UserError, "is it the address of its API"),
        (307, UserError, "is it the address of its API"),
        (401, UserError, "PREFECT_API_AUTH_STRING"),
        (404, UserError, "is it the address of its API"),
        (503, UnreachableError, "503"),
    ],
)
def test_a_refusal_says_what_to_mend(
    server: Server, context: Context, status: int, error: type[Exception], said: str
) -> None:
    server.status = status
    with pytest.raises(error, match=said):
        announce(context, "sample:pool")
    assert [path for path, _, _ in server.requests] == ["/api/events"], "it follows to no other place"


def test_a_server_that_is_away_is_named(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound and not listening: nobody else answers there
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/api"
        monkeypatch.setenv("PREFECT_API_URL", url)
        with pytest.raises(UnreachableError, match=f"{url}: Prefect does not answer"):
            announce(context, "sample:pool")


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "https://me:secret@host/api", "http://h:x/"])
def test_an_address_that_is_none_is_refused(context: Context, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("PREFECT_API_URL", url)
    with pytest.raises(ConfigError, match="PREFECT_API_URL") as error:
        announce(context, "sample:pool")
    assert "secret" not in str(error.value)
