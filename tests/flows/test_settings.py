"""What `make up` is told: strangers need a login, and a login is never shown."""

import os
import re

import pytest

from dinov2.errors import ConfigError
from flows.settings import load_up_settings, take_servers_secrets

LOGIN = "ada:correct-horse-battery"


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("DINOV2_", "PREFECT_", "MLFLOW_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gpu-1", "127.0.0.1.example.com"])
def test_servers_that_other_machines_reach_need_a_login(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_HOST", host)
    with pytest.raises(ConfigError, match=rf"DINOV2_HOST: '{re.escape(host)}'.*DINOV2_LOGIN=USER:PASSWORD"):
        load_up_settings()
    monkeypatch.setenv("DINOV2_LOGIN", LOGIN)
    assert load_up_settings().host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_servers_of_this_machine_need_none(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_HOST", host)
    assert load_up_settings().login is None


@pytest.mark.parametrize(
    "login",
    ["ada", "ada:", ":correct-horse-battery", "ada:short", "ada:with blanks in it", "ädä:correct-horse-battery",
     "ada:correct-horse-bättery", "ada:correct-horse-battery\n"],
)  # fmt: skip
def test_an_impossible_login_is_named_and_not_shown(login: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_LOGIN", login)
    with pytest.raises(ConfigError, match=r"DINOV2_LOGIN: \*\*\*: .*USER:PASSWORD") as caught:
        load_up_settings()
    assert not any(part in str(caught.value) for part in login.split(":") if part)


def test_a_login_is_not_in_what_is_printed_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_LOGIN", LOGIN)
    assert "horse" not in repr(load_up_settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [("NOTIFY", "slack-webhook"), ("NOTIFY", "a/b/c"), ("GPU_QUOTA", "0"), ("GPU_QUOTA", "all"),
     ("PREFECT_PORT", "0"), ("MLFLOW_PORT", "70000"), ("PROXIES", "*"), ("PROXIES", "https://a.example.com")],
)  # fmt: skip
def test_an_impossible_value_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DINOV2_{name}", value)
    with pytest.raises(ConfigError, match=re.escape(f"DINOV2_{name}: '{value}': ")):
        load_up_settings()


def test_runs_do_not_inherit_what_servers_alone_may_know(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {
        "DINOV2_LOGIN": LOGIN,
        "PREFECT_API_DATABASE_CONNECTION_URL": "postgresql+asyncpg://prefect:secret@db/prefect",
        "PREFECT_SERVER_DATABASE_PASSWORD": "secret",
        "PREFECT_SERVER_API_AUTH_STRING": LOGIN,
    }
    for name, value in {**theirs, "PREFECT_API_AUTH_STRING": LOGIN, "DINOV2_HOST": "::1"}.items():
        monkeypatch.setenv(name, value)
    assert take_servers_secrets() == theirs
    assert not theirs.keys() & os.environ.keys()
    assert os.environ["PREFECT_API_AUTH_STRING"] == LOGIN, "clients need it"
    assert os.environ["DINOV2_HOST"] == "::1"
