"""Postgres instead of SQLite, for both servers."""

import subprocess

import pytest

from tests.flows.conftest import Workspace
from tests.flows.serving import up
from tests.postgres import BINARIES, PASSWORD, running_postgres

pytestmark = pytest.mark.slow

TRACK = """
from pathlib import Path
from dinov2.registry.tracking import tracked
from dinov2.settings import load_settings
with tracked(load_settings(), Path.cwd(), "a run", "digest", {"epochs": 3}, {}) as run:
    run.summary({"loss": 1.5})
    Path("picture.txt").write_text("a picture")
    run.picture(Path("picture.txt"))
"""


def test_both_servers_keep_what_they_know_in_postgres(workspace: Workspace) -> None:
    stages = (workspace.root / "dvc.yaml").read_text()
    workspace.write("track.py", TRACK)
    workspace.write("dvc.yaml", stages.replace("echo two >", "python track.py && echo two >", 1))
    with running_postgres() as postgres:
        prefect, mlflow = postgres.url("prefect", "+asyncpg"), postgres.url("mlflow")
        places = {"PREFECT_API_DATABASE_CONNECTION_URL": prefect, "DINOV2_TRACKING": mlflow}
        with up(workspace, **places, **postgres.environment) as running:
            assert running.mlflow in running.output
            run = running.create("pipeline/pipeline", where="this workspace")
            state = running.wait_for_end(run)
            assert state["type"] == "COMPLETED", state
            found = running.ask(f"{running.mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name=dinov2")
            experiment = found["experiment"]["experiment_id"]
            query = {"experiment_ids": [experiment]}
            (tracked,) = running.ask(f"{running.mlflow}/api/2.0/mlflow/runs/search", query)["runs"]
            assert tracked["data"]["metrics"][0]["value"] == 1.5
            listed = running.ask(f"{running.mlflow}/api/2.0/mlflow/artifacts/list?run_id={tracked['info']['run_id']}")
            assert [file["path"] for file in listed["files"]] == ["picture.txt"]
            output = running.stop()
        query = [BINARIES[-1] / "psql", "-At", "-c", "select state_type from flow_run", prefect.replace("+asyncpg", "")]
        told = subprocess.run(query, env=postgres.environment, capture_output=True, text=True, check=True)
        assert told.stdout.split().count("COMPLETED") == 1
    assert PASSWORD not in output
    assert not (workspace.root / "var" / "mlflow.db").exists()
    assert not (workspace.root / "var" / "prefect" / "prefect.db").exists()
    for log in (workspace.root / "var" / "logs").iterdir():
        assert PASSWORD not in log.read_text(), log
