"""`make up`: the servers answer, runs can be started and scheduled, and the end is clean."""

import json
import re
import signal
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from dinov2.settings import Settings
from flows.up import _mlflow, database
from tests.flows.conftest import Workspace, wait_for

SCHEDULED = """
deployments:
  - name: pipeline
    entrypoint: flows/pipeline.py:pipeline
    concurrency_limit: 1
    schedules: [{cron: "0 3 * * *", slug: nightly, parameters: {targets: [first]}}]
"""


def _free_ports() -> dict[str, str]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return {"DINOV2_PREFECT_PORT": str(one.getsockname()[1]), "DINOV2_MLFLOW_PORT": str(other.getsockname()[1])}


def _ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


@pytest.mark.slow
def test_it_serves_schedules_and_runs_the_pipeline_and_stops_without_a_trace(workspace: Workspace) -> None:
    workspace.write("prefect.yaml", SCHEDULED)
    ports = _free_ports()
    process = workspace.start("-m", "flows.up", **ports)
    assert process.stdout is not None
    seen = ""
    while "Ctrl-C" not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    for port in ports.values():
        assert f"http://127.0.0.1:{port}" in seen
    api = f"http://127.0.0.1:{ports['DINOV2_PREFECT_PORT']}/api"
    assert urllib.request.urlopen(f"http://127.0.0.1:{ports['DINOV2_MLFLOW_PORT']}/", timeout=30).status == 200
    deployment = _ask(f"{api}/deployments/name/pipeline/pipeline")

    # Guards the bound on sqlalchemy: with 2.1 a schedule yields nothing, and nothing says so.
    scheduled = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    wait_for(lambda: len(_ask(f"{api}/flow_runs/filter", scheduled)) >= 3)

    run = _ask(f"{api}/deployments/{deployment['id']}/create_flow_run", {"parameters": {"targets": ["distill"]}})
    state = {}

    def ended() -> bool:
        state.update(_ask(f"{api}/flow_runs/{run['id']}")["state"])
        return state["type"] in ("COMPLETED", "FAILED", "CRASHED")

    wait_for(ended, seconds=120)
    assert state["type"] == "COMPLETED", state
    assert workspace.ran() == ["first", "second", "S", "B"]

    psutil.Process(process.pid).send_signal(signal.SIGINT)
    started = time.monotonic()
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - started < 30
    assert process.returncode == 0, output
    assert workspace.processes() == []


@pytest.mark.parametrize("name", ["DINOV2_PREFECT_PORT", "DINOV2_MLFLOW_PORT"])
def test_a_port_in_use_is_named_with_the_setting_to_change(workspace: Workspace, name: str) -> None:
    ports = _free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(ports[name])))
        taken.listen()
        code, output = workspace.run("-m", "flows.up", **ports)
    assert code == 2
    assert re.search(rf"port {ports[name]} cannot be used .*{name}", output), output
    assert workspace.processes() == []


@pytest.mark.parametrize("path", ["var/mlflow.db", "runs/other.db", "{root}/var/mlflow.db"])
def test_a_database_of_the_workspace_is_served(path: str, tmp_path: Path) -> None:
    path = path.format(root=tmp_path)
    assert database(Settings(tracking=f"sqlite:///{path}"), tmp_path) == tmp_path / path


@pytest.mark.parametrize("tracking", ["http://mlflow:5000", "databricks", "sqlite:////mnt/mlflow.db", "sqlite:///../x"])
def test_mlflow_elsewhere_is_not_served(tracking: str, tmp_path: Path) -> None:
    assert database(Settings(tracking=tracking), tmp_path) is None


@pytest.mark.parametrize("artifacts", ["s3://bucket/mlflow", "{root}/artifacts"])
def test_artifacts_go_to_a_folder_or_a_bucket(artifacts: str, tmp_path: Path) -> None:
    place = artifacts.format(root=tmp_path)
    command = _mlflow(tmp_path / "var" / "mlflow.db", place, 5000)
    assert command[command.index("--artifacts-destination") + 1] == place
    made = {path.name for path in tmp_path.iterdir()}
    assert made == ({"var"} if "://" in place else {"var", "artifacts"})


def test_a_port_that_is_none_is_named(workspace: Workspace) -> None:
    code, output = workspace.run("-m", "flows.up", DINOV2_MLFLOW_PORT="70000")
    assert code == 2
    assert "DINOV2_MLFLOW_PORT: '70000'" in output
