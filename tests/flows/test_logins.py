"""Servers that other machines reach: they ask who it is, and nothing tells the password."""

import socket

import psutil
import pytest

from tests.flows.conftest import Workspace
from tests.flows.serving import up

pytestmark = pytest.mark.slow

PASSWORD = "correct-horse-battery-%7"
LOGIN = f"ada:{PASSWORD}"
STRANGERS = ["", "ada:wrong-horse-battery", "admin:password1234", f"admin:{PASSWORD}", ":"]


def test_both_servers_ask_for_the_login_and_nothing_tells_it(workspace: Workspace) -> None:
    stages = (workspace.root / "dvc.yaml").read_text()
    workspace.write("dvc.yaml", stages.replace("echo two", "env > seen.txt; echo two", 1))
    with up(workspace, LOGIN, DINOV2_HOST="0.0.0.0") as running:
        experiments = f"{running.mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
        for page in ("/admin/version", experiments):
            assert running.status(page) == 200
            assert [running.status(page, stranger) for stranger in STRANGERS] == [401] * len(STRANGERS)
        assert running.status(running.mlflow, login="") == 401, "the page itself"
        assert running.status(experiments, Host=f"{socket.gethostname()}:{running.mlflow.rpartition(':')[2]}") == 200
        assert running.status(experiments, Host="rebound.example.com") == 403
        assert running.status("/admin/version", Host=f"{socket.gethostname()}:80") == 200
        assert running.status("/admin/version", Host="rebound.example.com") == 400

        run = running.create("pipeline/pipeline", where="this workspace")
        assert running.wait_for_end(run)["type"] == "COMPLETED"
        tasks = running.ask("/task_runs/count", {"flow_runs": {"id": {"any_": [run]}}})
        assert tasks == "5", "what tasks do is told over a connection of its own"

        commands = [process.cmdline() for process in psutil.process_iter()]
        assert not [word for command in commands for word in command if PASSWORD in word]
        seen = (workspace.root / "seen.txt").read_text()
        assert "DINOV2_LOGIN" not in seen
        output = running.stop()
    assert PASSWORD not in output
    for log in (workspace.root / "var" / "logs").iterdir():
        assert PASSWORD not in log.read_text(), log

    # Another password: the first one is nobody's any more.
    other = "grace:correct-donkey-battery"
    with up(workspace, other, DINOV2_HOST="127.0.0.1") as running:
        experiments = f"{running.mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
        assert [running.status(experiments, login) for login in (other, LOGIN)] == [200, 401]
        assert [running.status("/admin/version", login) for login in (other, LOGIN)] == [200, 401]
