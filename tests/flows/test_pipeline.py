"""The flow does what `dvc repro` does, says what happened, and can be killed at any moment."""

import json
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from tests.flows.conftest import Workspace, commit, git, make_workspace, wait_for
from tests.flows.serving import prefect

pytestmark = pytest.mark.slow

FLOW = ("-m", "flows.pipeline")
FORM = """
import json, sys
from dinov2.settings import workspace
from flows.pipeline import pipeline
from flows.servers import ensure_prefect
ensure_prefect(workspace())
for form in sys.argv[1:]:
    pipeline(**json.loads(form))
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a Prefect server for the flows that need none of their own."""
    with prefect(tmp_path_factory.mktemp("server")) as url:
        yield url


def _outcomes(output: str) -> dict[str, str]:
    """Stage to outcome, out of the table at the end."""
    found = re.findall(r"^ (\S+)\s+(ran|restored|up to date|failed|not run)\s+[\d.]+ s\s*$", output, re.MULTILINE)
    return dict(found)


def test_it_leaves_what_dvc_repro_leaves_and_a_second_run_runs_nothing(
    workspace: Workspace, api: str, tmp_path: Path
) -> None:
    other = make_workspace(tmp_path / "other")
    assert other.run("-m", "dvc", "repro")[0] == 0
    code, output = workspace.run(*FLOW)
    assert code == 0, output
    assert _outcomes(output) == dict.fromkeys(["first", "second", "distill@S", "distill@B", "last"], "ran")
    assert "make up" in output
    assert "Not recorded: " in output
    assert "nothing is committed yet" in output
    lock = (workspace.root / "dvc.lock").read_bytes()
    assert lock == (other.root / "dvc.lock").read_bytes()
    assert workspace.ran() == ["first", "second", "S", "B", "last"]

    with closing(sqlite3.connect(workspace.root / "var" / "prefect" / "prefect.db")) as database:
        logged = {message for (message,) in database.execute("select message from log")}
    assert any("Running stage 'first':" in message for message in logged), "what a stage says is in the database too"
    code, output = workspace.run(*FLOW, PREFECT_API_URL=api)
    assert code == 0, output
    assert set(_outcomes(output).values()) == {"up to date"}
    assert workspace.ran() == []
    assert (workspace.root / "dvc.lock").read_bytes() == lock
    assert workspace.run("-m", "dvc", "repro")[1].count("didn't change, skipping") == 5

    workspace.write("input.txt", "another\n")  # first runs again, writes the same, and so nothing else does
    code, output = workspace.run(*FLOW, "distill@S", PREFECT_API_URL=api)
    assert _outcomes(output) == {"first": "ran", "second": "up to date", "distill@S": "up to date"}
    assert workspace.ran() == ["first"]
    assert workspace.processes() == []


def test_a_users_mistake_is_shown_with_its_log_and_never_retried(workspace: Workspace, api: str) -> None:
    stages = (workspace.root / "dvc.yaml").read_text()
    failing = "echo S >> ran.log; echo 'distill.x=3, allowed are 1 and 2'; exit 2"
    workspace.write("dvc.yaml", stages.replace("cat first.txt second.txt > ${item.student}.txt", f"{failing}; true", 1))
    code, output = workspace.run(*FLOW, PREFECT_API_URL=api)
    assert code == 2
    assert "stage distill@S failed with exit code 2" in output
    assert output.count("distill.x=3, allowed are 1 and 2") >= 2, "in the output and in the summary"
    assert str(workspace.root / "var" / "logs" / "distill@S.log") in output
    assert _outcomes(output)["last"] == "not run"
    assert workspace.ran() == ["first", "second", "S", "S"], "each of the two students once"
    assert "Traceback" not in output


def test_what_dvc_itself_refuses_is_not_retried(workspace: Workspace, api: str) -> None:
    (workspace.root / "input.txt").unlink()
    code, output = workspace.run(*FLOW, "first", PREFECT_API_URL=api)
    assert code == 1
    assert "stage first failed with exit code 255" in output
    assert "input.txt" in output
    assert "(attempt 2)" not in output


def test_a_crash_is_tried_once_more(workspace: Workspace, api: str) -> None:
    stages = (workspace.root / "dvc.yaml").read_text()
    crashing = "echo rerun $(printenv DINOV2_RERUN || echo no); test -e crashed || { touch crashed; exit 1; }; echo one"
    workspace.write("dvc.yaml", stages.replace("echo one", crashing, 1))
    code, output = workspace.run(*FLOW, "first", PREFECT_API_URL=api)
    assert code == 0, output
    assert "(attempt 2)" in output
    assert _outcomes(output) == {"first": "ran"}
    assert [line for line in output.splitlines() if line.startswith("rerun")] == ["rerun no", "rerun no"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_flow_leaves_no_process_and_the_next_goes_on(
    workspace: Workspace, api: str, number: signal.Signals
) -> None:
    stages = (workspace.root / "dvc.yaml").read_text()
    waiting = "touch began; test -e go_on || sleep 600; echo two"
    workspace.write("dvc.yaml", stages.replace("echo two", waiting, 1))
    process = workspace.start(*FLOW)
    wait_for((workspace.root / "began").exists, seconds=120)
    psutil.Process(process.pid).send_signal(number)
    process.communicate(timeout=30)
    wait_for(lambda: not workspace.processes(), seconds=20)
    if number == signal.SIGKILL:
        workspace.write("go_on", "")
        code, output = workspace.run(*FLOW, PREFECT_API_URL=api)
        assert code == 0, output
        assert workspace.ran() == ["first", "second", "S", "B", "last"], "first is not done twice"


def test_what_ran_in_the_workspace_is_recorded_once_and_a_failure_is_not(workspace: Workspace, api: str) -> None:
    commit(workspace)
    before = git(workspace.root, "status", "--porcelain"), git(workspace.root, "rev-parse", "HEAD")
    failing = (workspace.root / "dvc.yaml").read_text().replace("cat S.txt", "false && cat S.txt")
    workspace.write("dvc.yaml", failing)
    assert workspace.run(*FLOW, PREFECT_API_URL=api)[0] == 1
    assert git(workspace.root, "branch", "--list", "runs/*") == ""
    git(workspace.root, "checkout", "--quiet", "dvc.yaml")
    code, output = workspace.run(*FLOW, PREFECT_API_URL=api)
    assert code == 0, output
    branch = git(workspace.root, "branch", "--list", "runs/*", "--format=%(refname:short)").strip()
    assert f"Recorded: branch {branch}, commit " in output
    assert "Flow: pipeline" in git(workspace.root, "log", "-1", "--format=%B", branch)
    assert git(workspace.root, "show", f"{branch}:dvc.lock") == (workspace.root / "dvc.lock").read_text()
    assert before[1] == git(workspace.root, "rev-parse", "HEAD")
    assert "Recorded" not in workspace.run(*FLOW, PREFECT_API_URL=api)[1], "nothing has changed since"
    assert git(workspace.root, "branch", "--list", "runs/*", "--format=%(refname:short)").strip() == branch


def test_a_form_runs_in_a_clone_with_its_parameters_and_a_wrong_one_makes_none(workspace: Workspace, api: str) -> None:
    commit(workspace)
    wrong = {"overrides": [{"key": "sed", "value": "1"}]}
    code, output = workspace.run("-c", FORM, json.dumps(wrong), PREFECT_API_URL=api)
    assert code == 1
    assert "ConfigError: overrides: sed: no such parameter; allowed here: deduplicate" in output
    assert not (workspace.root / "var" / "runs").exists()

    form = {"name": "mine", "overrides": [{"key": "seed", "value": "3"}], "stages": ["distill"], "launcher": "local"}
    again = {**form, "stages": []}
    forms = map(json.dumps, (form, again, {}))
    code, output = workspace.run("-c", FORM, *forms, PREFECT_API_URL=api)
    assert code == 0, output
    root = workspace.root / "var" / "runs" / "mine"
    assert "seed: 3" in (root / "params.yaml").read_text()
    assert "pool" in (root / "data" / "sources.json").read_text(), "the sources were looked through"
    assert (root / "ran.log").read_text().split() == ["first", "second", "S", "B", "last"], "no stage twice"
    assert git(workspace.root, "show", "runs/mine:dvc.lock") == (root / "dvc.lock").read_text()
    assert workspace.run("-m", "dvc", "status", "--cloud", "--quiet")[0] == 0
    assert workspace.ran() == []
    assert git(workspace.root, "status", "--porcelain", "--untracked-files=no") == "", "the workspace is as it was"
    (other,) = set((workspace.root / "var" / "runs").glob("[!.]*")) - {root}
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{4}", other.name)
    # DVC's cache has all of it but for what depends on nothing, which DVC never takes from there.
    assert (other / "ran.log").read_text().split() == ["second"]
    asked = {"logs": {"text": {"query": '"1 sources, changed: pool"'}}}
    assert httpx.post(f"{api}/logs/filter", json=asked, timeout=60).json()


def test_faulty_parameters_are_told_before_anything_runs(workspace: Workspace) -> None:
    with (workspace.root / "params.yaml").open("a") as file:
        file.write("sed: 1\n")
    code, output = workspace.run(*FLOW)
    assert code == 2
    assert "params.yaml: sed: no such parameter" in output
    assert "Traceback" not in output
    assert workspace.ran() == []
