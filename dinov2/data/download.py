"""Bytes behind a URL, with deadlines, bounds and second tries."""

import errno
import http.client
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from fsspec import available_protocols
from fsspec.utils import get_protocol

from dinov2.data.places import MAX_BYTES, fetch, locate
from dinov2.errors import ConfigError, MissingBucketError, UnreachableError, UserError
from dinov2.storage import retried

TIMEOUT_S, DEADLINE_S = 30.0, 120.0
"""For one answer of the site, and for all of the content."""
PATIENCE_S = 8.0
"""A web site that is away is one of many, and no reason to hold up the others."""
TRY_LATER = frozenset((408, 425, 429))
"""HTTP statuses below 500 that may pass."""
NO_URL = "not a valid URL"


def is_remote(url: str) -> bool:
    """Whether what a URL names lies on another machine."""
    return "://" in url and not url.startswith("file://")


def download(url: str) -> bytes:
    """The content of an http(s) URL, or of any other that fsspec knows.

    Raises:
        OSError: it cannot be had, or is larger than `MAX_BYTES`.
    """
    if not url.lower().startswith(("http://", "https://")):
        return _elsewhere(url)
    try:
        data = retried(lambda: _get(url), url, PATIENCE_S)
    except (UnreachableError, UserError) as error:
        raise OSError(errno.EIO, str(error.__cause__ or error)) from None
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"more than {MAX_BYTES} bytes")
    return data


def _get(url: str) -> bytes:
    try:
        request = Request(quote(url, safe=":/?#[]@!$&'()*+,;=%~"), headers={"User-Agent": "dinov2-platform"})
        with urlopen(request, timeout=TIMEOUT_S) as response:
            data = _read(response)
            if response.length and len(data) <= MAX_BYTES:
                raise http.client.IncompleteRead(data, response.length)
            return data
    except HTTPError as error:
        if error.code < 500 and error.code not in TRY_LATER:
            raise FileNotFoundError(errno.ENOENT, f"HTTP {error.code}") from None
        raise OSError(errno.EIO, f"HTTP {error.code}") from None
    except (http.client.InvalidURL, ValueError):
        raise FileNotFoundError(errno.EINVAL, NO_URL) from None
    except http.client.HTTPException as error:
        raise OSError(errno.EIO, f"{type(error).__name__}") from None


def _read(response: http.client.HTTPResponse) -> bytes:
    """At most one byte more than may be, by a deadline: a site that dribbles would hold up its reader for ever."""
    deadline, parts, size = time.monotonic() + DEADLINE_S, [], 0
    while size <= MAX_BYTES and (part := response.read1(MAX_BYTES + 1 - size)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all there after {DEADLINE_S:.0f} s")
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _elsewhere(url: str) -> bytes:
    """Of what a row may hold only a package that is missing is the user's to mend; other faults are the row's."""
    if get_protocol(url) not in available_protocols():
        raise FileNotFoundError(errno.EPROTONOSUPPORT, "unknown protocol")
    try:
        place = locate(url, Path())
    except (ConfigError, ValueError, TypeError):
        raise FileNotFoundError(errno.EINVAL, NO_URL) from None
    try:
        return fetch(*place)
    except (ValueError, TypeError):
        raise FileNotFoundError(errno.EINVAL, NO_URL) from None
    except MissingBucketError as error:
        raise FileNotFoundError(errno.ENOENT, str(error)) from None
