"""Images from URLs or domains that are on a block list."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from dinov2.data.filters.protocol import Filter, Place, WithFiles
from dinov2.errors import DataError

PORTS = {"http": 80, "https": 443}


class UrlsConfig(WithFiles):
    """Block lists, for sources that are lists of URLs: one entry a line, `#` begins a comment."""

    kind: Literal["urls"]
    urls: tuple[str, ...] = Field((), description="files of URLs, relative to the workspace; http and https are one")
    domains: tuple[str, ...] = Field((), description="files of domains; each stands for its subdomains too")

    def files(self) -> dict[str, str]:
        """See `WithFiles`."""
        named = {"urls": self.urls, "domains": self.domains}
        return {f"{field}.{n}": path for field, paths in named.items() for n, path in enumerate(paths)}


class Urls(Filter):
    """Nothing is read of what is on a list."""

    kind = "urls"
    looks = False

    def __init__(self, config: UrlsConfig, place: Place) -> None:
        self._urls = {
            _normal(line) for n, name in enumerate(config.urls) for _, line in _lines(place.file(f"urls.{n}", name))
        }
        self._domains = {
            _domain(line, f"{name}:{number}")
            for n, name in enumerate(config.domains)
            for number, line in _lines(place.file(f"domains.{n}", name))
        }

    def before_reading(self, uri: str) -> str | None:
        """See `Filter`."""
        if "://" not in uri:
            return None
        if _normal(uri) in self._urls:
            return "its URL is on the block list"
        labels = _host(uri).split(".")
        found = (".".join(labels[start:]) for start in range(len(labels)))
        domain = next((name for name in found if name in self._domains), None)
        return f"the domain {domain} is on the block list" if domain else None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Entries of a list with the numbers of their lines."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                # A fragment never reaches a server: what follows " #" or begins a line is a comment.
                entry = line.split(" #")[0].strip()
                if entry and not entry.startswith("#"):
                    yield number, entry
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8: {error}") from None


def _domain(entry: str, line: str) -> str:
    name = _ascii(entry.removeprefix("*.").removeprefix("."))
    if not name or any(character in name for character in "/:@ \t*"):
        raise DataError(f"{line}: {entry!r} is no domain; a line holds one, such as example.org")
    return name


def _normal(url: str) -> str:
    """A URL without scheme and fragment, its host in lower case; what is no URL stays as it is."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = f":{parts.port}" if parts.port and parts.port != PORTS.get(parts.scheme) else ""
    except ValueError:
        return url
    return f"{_ascii(parts.hostname or '')}{port}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")


def _host(url: str) -> str:
    try:
        return _ascii(urlsplit(url).hostname or "")
    except ValueError:
        return ""


def _ascii(host: str) -> str:
    """A host's name as the domain name system spells it: lower case, other scripts in Punycode, no dot at the end."""
    name = host.lower().rstrip(".")
    try:
        return name.encode("idna").decode()
    except UnicodeError:
        return name
