"""`make up`: the servers answer, runs can be started and scheduled, and the end is clean."""

import re
import socket

import pytest

from tests.flows.conftest import Workspace, wait_for
from tests.flows.serving import free_ports, up

SCHEDULED = """
deployments:
  - name: pipeline
    entrypoint: flows/pipeline.py:pipeline
    concurrency_limit: 1
    schedules: [{cron: "0 3 * * *", slug: nightly}]
"""


@pytest.mark.slow
def test_it_serves_schedules_and_runs_the_pipeline_and_stops_without_a_trace(workspace: Workspace) -> None:
    workspace.write("prefect.yaml", SCHEDULED)
    with up(workspace, DINOV2_GPU_QUOTA="4") as running:
        assert running.api.removesuffix("/api") in running.output
        assert running.mlflow in running.output
        assert running.status(running.mlflow) == 200
        assert running.status(running.api.removesuffix("/api")) == 200
        for page in (f"{running.api}/health", f"{running.mlflow}/api/2.0/mlflow/experiments/search?max_results=1"):
            assert running.status(page, Host="localhost:1") == 200, "through a tunnel"
            assert running.status(page, Host="rebound.example.com") in (400, 403), "a page of another site"

        # Guards the bound on sqlalchemy: with 2.1 a schedule yields nothing, and nothing says so.
        scheduled = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        wait_for(lambda: len(running.ask("/flow_runs/filter", scheduled)) >= 3)

        assert running.ask("/v2/concurrency_limits/dinov2-gpus")["limit"] == 4
        run = running.create("pipeline/pipeline", stages=["distill"], where="this workspace")
        state = running.wait_for_end(run)
        assert state["type"] == "COMPLETED", state
        assert workspace.ran() == ["first", "second", "S", "B"]
        page = running.headers(running.api.removesuffix("/api"))
        assert "connect-src 'self'" in page["content-security-policy"], "it reports to nobody"
        telling = running.ask("/admin/settings")["server"]
        assert telling["analytics_enabled"] is False
        running.stop()


def test_a_port_in_use_is_named_with_the_setting_to_change(workspace: Workspace) -> None:
    name, ports = "DINOV2_MLFLOW_PORT", free_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(ports[name])))
        taken.listen()
        code, output = workspace.run("-m", "flows.up", **ports)
    assert code == 2
    assert re.search(rf"port {ports[name]} cannot be used .*{name}", output), output
    assert workspace.processes() == []


def test_a_mistake_is_told_in_one_line_before_anything_starts(workspace: Workspace) -> None:
    code, output = workspace.run("-m", "flows.up", DINOV2_HOST="0.0.0.0", DINOV2_LOGIN="ada:secret")
    assert code == 2
    assert output.startswith("DINOV2_LOGIN: ***: ")
    assert output.count("\n") == 1
