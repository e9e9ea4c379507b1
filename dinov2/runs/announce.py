"""The command `dinov2 announce`: tell Prefect that a source has new images, so that it re-curates."""

import base64
import http.client
import json
import os
import posixpath
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from dinov2.credentials import credential_in_url, masked
from dinov2.data.config import SourceConfig
from dinov2.data.sample import SAMPLE
from dinov2.errors import ConfigError, UnreachableError, UserError
from dinov2.runs.event import EVENT, POOL
from dinov2.stages.context import Context
from dinov2.stages.params import PARAMS

URL, AUTH = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"
TIMEOUT_S = 30.0
RANGE = re.compile(r"\{\d+\.\.\d+\}")
"""Numbers of shards, as sources write them."""


def announce(context: Context, uri: str) -> None:
    """Post the event `dinov2.data.announced`, with `uri` and `source` in its payload.

    Args:
        context: the workspace.
        uri: where the new images are: a source of params.yaml, or a file or folder in one.

    Raises:
        ConfigError: no source has it, or PREFECT_API_URL is not set or wrong.
        UserError: Prefect refuses.
        UnreachableError: Prefect does not answer.
    """
    source = source_of(uri, context.params.ingest.sources, context.root)
    event = {
        "id": str(uuid.uuid4()),
        "event": EVENT,
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": POOL, "dinov2.source": source.name},
        "payload": {"uri": uri, "source": source.name},
    }
    _post([event])
    print(f"announced: source {source.name}, {uri}")


def source_of(uri: str, sources: Sequence[SourceConfig], root: Path) -> SourceConfig:
    """The source that a place lies in.

    Args:
        uri: a source itself, or a file or folder in one.
        sources: of the parameters.
        root: the workspace, which relative paths start from.

    Raises:
        ConfigError: it lies in none, or holds a credential.
    """
    if why := credential_in_url(uri):
        raise ConfigError(f"{masked(uri)!r}: {why}; credentials belong into the environment or a profile")
    for source in sources:
        if _lies_in(uri, source.uri, root):
            return source
    listed = ", ".join(f"{source.name} ({source.uri})" for source in sources)
    raise ConfigError(f"{uri!r}: in no source of {PARAMS}; sources: {listed}")


def _lies_in(uri: str, source: str, root: Path) -> bool:
    if uri == source or source.startswith(SAMPLE):
        return uri == source
    place, whole = _absolute(uri, root), _absolute(source, root)
    return place == whole or place.startswith(f"{whole.rstrip('/')}/") or fnmatchcase(place, RANGE.sub("*", whole))


def _absolute(uri: str, root: Path) -> str:
    """A place without detours: a URL, or the path of a local file."""
    scheme, separator, path = uri.removeprefix("file://").rpartition("://")
    if separator:
        return f"{scheme}://{posixpath.normpath(path)}"
    return posixpath.normpath(str(root / path))


def _post(events: Sequence[Mapping[str, object]]) -> None:
    url = os.environ.get(URL, "")
    if not url.startswith(("http://", "https://")):
        shown = f"{masked(url)!r}: not the address of a server" if url else "not set"
        raise ConfigError(f"{URL}: {shown}; wanted that of Prefect's API, such as http://127.0.0.1:4200/api")
    if why := credential_in_url(url):
        raise ConfigError(f"{URL}: {masked(url)!r}: {why}; use {AUTH}=USER:PASSWORD")
    headers = {"Content-Type": "application/json"}
    if login := os.environ.get(AUTH):
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    request = urllib.request.Request(f"{url.rstrip('/')}/events", json.dumps(events).encode(), headers)
    try:
        with urllib.request.build_opener(_NoDetour).open(request, timeout=TIMEOUT_S) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        raise _refused(error, url) from None
    except (ValueError, http.client.InvalidURL) as error:
        raise ConfigError(f"{URL}: {url!r}: {error}") from None
    except (OSError, http.client.HTTPException) as error:  # urllib's own errors among them
        raise UnreachableError(f"{url}: Prefect does not answer: {getattr(error, 'reason', error)}") from None
    if status != http.HTTPStatus.NO_CONTENT:
        raise UserError(f"{url}: answers {status}, which Prefect's API does not; is it its address?")


class _NoDetour(urllib.request.HTTPRedirectHandler):
    """A server that sends elsewhere is an error: the event would become a question, and take the login along."""

    def redirect_request(self, *_: object) -> None:
        """None makes it the HTTPError that it is."""


def _refused(error: urllib.error.HTTPError, url: str) -> Exception:
    if error.code in (401, 403):
        return UserError(f"{url}: Prefect answers {error.code}: it wants another {AUTH}=USER:PASSWORD")
    if error.code >= 500:
        return UnreachableError(f"{url}: Prefect answers {error.code} {error.reason}")
    return UserError(f"{url}: Prefect answers {error.code} {error.reason}; is it the address of its API?")
