"""Where a server listens, and by which names it is reached."""

import ipaddress
import socket
from dataclasses import dataclass

import psutil

from dinov2.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
BACKLOG = 2048
"""Callers that wait while a server starts again."""


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
        host: by name or number.
        port: there.
        proxies: names of reverse proxies, by which it is called as well.
    """

    host: str
    port: int
    proxies: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        number = _number(self.host)
        return number.is_loopback if number else self.host == "localhost"

    @property
    def local(self) -> str:
        """The URL for programs on this machine."""
        number = _number(self.host)
        if number and number.is_unspecified:
            return self._url("127.0.0.1" if number.version == 4 else "::1")
        return self._url(self.host)

    @property
    def shown(self) -> str:
        """The URL for people and their browsers: of an address that stands for all of the machine's, its name."""
        number = _number(self.host)
        return self._url(socket.gethostname() if number and number.is_unspecified else self.host)

    @property
    def names(self) -> list[str]:
        """Hosts that it may be called by, as they stand in a URL; those of the machine where it listens at several."""
        named = {self.host, *LOOPBACK, *self.proxies, *(set() if self.is_loopback else _own_names())}
        return sorted(_bracketed(name) for name in named if not ((number := _number(name)) and number.is_unspecified))

    @property
    def origins(self) -> list[str]:
        """What browsers say they come from when they have opened a page of it."""
        return [f"http://{name}:{self.port}" for name in self.names] + [f"https://{name}" for name in self.proxies]

    def listen(self, name: str, setting: str) -> socket.socket:
        """A socket that listens there.

        Raises:
            ConfigError: it cannot; the message has the server's `name` and the `setting` that says the port.
        """
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
        except socket.gaierror as error:
            raise ConfigError(f"DINOV2_HOST: {self.host!r}: {error.strerror}") from None
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(where)
            listening.listen(BACKLOG)
        except OSError as error:
            listening.close()
            raise ConfigError(
                f"{name}: port {self.port} cannot be used at {self.host} ({error.strerror}); "
                f"choose another with {setting}, or another place with DINOV2_HOST"
            ) from None
        return listening

    def _url(self, host: str) -> str:
        return f"http://{_bracketed(host)}:{self.port}"


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _bracketed(host: str) -> str:
    number = _number(host)
    return f"[{host}]" if number and number.version == 6 else host


def _own_names() -> set[str]:
    numbers = {each.address for addresses in psutil.net_if_addrs().values() for each in addresses}
    return {each for each in numbers if _number(each) and "%" not in each} | {socket.gethostname(), socket.getfqdn()}
