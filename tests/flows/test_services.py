"""What is served, from where, and what it is told."""

import sys
from pathlib import Path

import pytest

from dinov2.errors import ConfigError
from dinov2.settings import Settings
from flows.services import database, mlflow_page, mlflow_server, worker
from flows.settings import UpSettings

ADA = "postgresql://ada@db.example.com/mlflow"


@pytest.mark.parametrize("path", ["var/mlflow.db", "runs/other.db", "{root}/var/mlflow.db"])
def test_a_database_of_the_workspace_is_served(path: str, tmp_path: Path) -> None:
    path = path.format(root=tmp_path)
    assert database(Settings(tracking=f"sqlite:///{path}"), tmp_path) == f"sqlite:///{tmp_path / path}"


@pytest.mark.parametrize("tracking", ["http://mlflow:5000", "databricks", "sqlite:////mnt/mlflow.db", "sqlite:///../x"])
def test_mlflow_elsewhere_is_not_served(tracking: str, tmp_path: Path) -> None:
    assert database(Settings(tracking=tracking), tmp_path) is None


@pytest.mark.parametrize("uri", [ADA, ADA.replace(":", "+psycopg2:", 1)])
def test_postgres_is_served(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert database(Settings(tracking=uri), tmp_path) == uri
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(ConfigError, match=r"DINOV2_TRACKING: .*psycopg2.*\[server\]"):
        database(Settings(tracking=uri), tmp_path)


@pytest.mark.parametrize("artifacts", ["s3://bucket/mlflow", "{root}/artifacts"])
def test_artifacts_go_to_a_folder_or_a_bucket(artifacts: str, tmp_path: Path) -> None:
    place = artifacts.format(root=tmp_path)
    service = mlflow_server(UpSettings(), f"sqlite:///{tmp_path}/var/mlflow.db", place, tmp_path)
    assert service.command[service.command.index("--artifacts-destination") + 1] == place
    made = {path.name for path in tmp_path.iterdir()}
    assert made == ({"var"} if "://" in place else {"var", "artifacts"})


@pytest.mark.parametrize(
    ("tracking", "served", "page"),
    [
        ("sqlite:///var/mlflow.db", True, "http://127.0.0.1:5000"),
        ("https://mlflow.example.com", False, "https://mlflow.example.com"),
        ("sqlite:////mnt/mlflow.db", False, None),
    ],
)
def test_runs_link_to_mlflow_where_it_has_a_page(tracking: str, served: bool, page: str | None) -> None:
    assert mlflow_page(UpSettings(), Settings(tracking=tracking), served) == page
    assert worker(UpSettings(), page).environment.get("DINOV2_MLFLOW_URL") == page
