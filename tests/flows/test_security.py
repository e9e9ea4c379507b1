"""The login reaches the servers in their environment alone, and MLflow has no other user."""

import configparser
import os
import socket
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from flows import security
from flows.addresses import Address
from flows.services import mlflow_server, prefect_server, worker
from flows.settings import UpSettings

LOGIN = SecretStr("ada:correct-horse-battery")
HERE, EVERYWHERE = Address("127.0.0.1", 5000), Address("0.0.0.0", 5000)


def test_without_a_login_nobody_is_asked(tmp_path: Path) -> None:
    assert "PREFECT_SERVER_API_AUTH_STRING" not in security.prefect_server(None, HERE)
    assert security.prefect_client(None) == security.mlflow_server(None, HERE, tmp_path) == {}


def test_both_servers_and_their_clients_have_the_same_login(tmp_path: Path) -> None:
    mlflow = security.mlflow_server(LOGIN, HERE, tmp_path)
    assert security.prefect_server(LOGIN, HERE)["PREFECT_SERVER_API_AUTH_STRING"] == LOGIN.get_secret_value()
    assert security.prefect_client(LOGIN)["PREFECT_API_AUTH_STRING"] == LOGIN.get_secret_value()
    assert mlflow["MLFLOW_AUTH_ADMIN_USERNAME"] == "ada"
    assert mlflow["MLFLOW_AUTH_ADMIN_PASSWORD"] == "correct-horse-battery"


def test_no_command_line_shows_the_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_LOGIN", LOGIN.get_secret_value())
    up = UpSettings()
    mlflow = mlflow_server(up, "sqlite:////tmp/x.db", "s3://bucket/x", tmp_path)
    with HERE.__class__("127.0.0.1", 0).listen("x", "X") as listening:
        for service in (prefect_server(up, listening, {}), mlflow, worker(up, None)):
            assert not any("horse" in word for word in service.command)
            assert "horse" not in repr(service)
            assert any("horse" in value for value in service.environment.values())


def test_mlflow_forgets_users_of_an_earlier_login_and_nobody_else_reads_its_files(tmp_path: Path) -> None:
    root = tmp_path / "100%"
    ini = Path(security.mlflow_server(LOGIN, HERE, root)["MLFLOW_AUTH_CONFIG_PATH"])
    users = ini.with_name("users.db")
    users.write_text("an earlier admin")
    assert security.mlflow_server(LOGIN, HERE, root)["MLFLOW_AUTH_CONFIG_PATH"] == str(ini)
    assert not users.exists()
    assert stat.S_IMODE(ini.stat().st_mode) == 0o600
    assert stat.S_IMODE(ini.parent.stat().st_mode) == 0o700
    assert "horse" not in ini.read_text()
    read = configparser.ConfigParser()
    read.read(ini)
    assert read["mlflow"]["database_uri"] == f"sqlite:///{users}"
    assert read["mlflow"]["default_permission"] == "NO_PERMISSIONS"


def test_a_server_for_other_machines_answers_to_its_names_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server.security_utils import is_allowed_host_header

    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    told = security.mlflow_server(None, EVERYWHERE, tmp_path)
    hosts = told["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    own = [name for name in EVERYWHERE.names if name != "[::1]"]
    assert all(is_allowed_host_header(hosts, f"{name}:5000") for name in own)
    assert is_allowed_host_header(hosts, "localhost:9999"), "through a tunnel"
    assert not is_allowed_host_header(hosts, "rebound.example.com:5000")
    origins = told["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert f"http://{socket.gethostname()}:5000" in origins
    assert not [origin for origin in origins if "*" in origin or "example.com" in origin]
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "mlflow.example.com")
    assert security.mlflow_server(None, EVERYWHERE, tmp_path)["MLFLOW_SERVER_ALLOWED_HOSTS"] == "mlflow.example.com"


def test_pages_of_other_sites_may_not_call_prefect() -> None:
    origins = security.prefect_server(None, HERE)["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert origins == ["http://127.0.0.1:5000", "http://[::1]:5000", "http://localhost:5000"]


def test_a_reverse_proxy_is_answered_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINOV2_PROXIES", "mlflow.example.com,prefect.example.com")
    up = UpSettings()
    told = security.mlflow_server(None, up.mlflow, tmp_path)
    assert {"mlflow.example.com", "127.0.0.1:5000"} < set(told["MLFLOW_SERVER_ALLOWED_HOSTS"].split(","))
    assert "https://mlflow.example.com" in told["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    with up.prefect.__class__("127.0.0.1", 0).listen("x", "X") as listening:
        command = prefect_server(up, listening, {}).command
    assert command[-5:] == ["127.0.0.1", "[::1]", "localhost", "mlflow.example.com", "prefect.example.com"]
