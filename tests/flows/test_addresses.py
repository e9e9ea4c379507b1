"""Addresses: who reaches them, and how they are called."""

import re
import socket

import pytest

from dinov2.errors import ConfigError
from flows.addresses import Address


@pytest.mark.parametrize(
    ("host", "local", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:4200", "http://127.0.0.1:4200"),
        ("::1", "http://[::1]:4200", "http://[::1]:4200"),
        ("localhost", "http://localhost:4200", "http://localhost:4200"),
        ("0.0.0.0", "http://127.0.0.1:4200", f"http://{socket.gethostname()}:4200"),
        ("::", "http://[::1]:4200", f"http://{socket.gethostname()}:4200"),
        ("192.0.2.1", "http://192.0.2.1:4200", "http://192.0.2.1:4200"),
    ],
)
def test_an_address_that_means_all_of_the_machines_is_shown_by_its_name(host: str, local: str, shown: str) -> None:
    address = Address(host, 4200)
    assert (address.local, address.shown) == (local, shown)


def test_a_server_of_this_machine_alone_goes_by_no_name_of_the_network() -> None:
    assert Address("127.0.0.1", 1).names == ["127.0.0.1", "[::1]", "localhost"]
    everywhere = Address("0.0.0.0", 1).names
    assert socket.gethostname() in everywhere
    assert "0.0.0.0" not in everywhere


def test_who_calls_while_nobody_serves_waits_instead_of_being_refused() -> None:
    with (
        Address("127.0.0.1", 0).listen("Prefect", "DINOV2_PREFECT_PORT") as listening,
        socket.create_connection(listening.getsockname(), timeout=5) as caller,
    ):
        caller.sendall(b"early")
        served, _ = listening.accept()
        with served:
            assert served.recv(5) == b"early"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use_is_named_with_the_setting_to_change(host: str) -> None:
    with Address(host, 0).listen("one", "X") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"Prefect: port {port} cannot be used at .*DINOV2_PREFECT_PORT"):
            Address(host, port).listen("Prefect", "DINOV2_PREFECT_PORT")


@pytest.mark.parametrize("host", ["192.0.2.254", "no.such.host.invalid"])
def test_an_address_that_is_not_this_machines_is_named(host: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)({re.escape(host)}.*DINOV2_HOST|DINOV2_HOST.*{re.escape(host)})"):
        Address(host, 4200).listen("Prefect", "DINOV2_PREFECT_PORT")
