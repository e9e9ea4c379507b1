"""The worker: what it serves, runs in clones that it carries out, and what becomes of them when it dies."""

import json
import urllib.error
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import ConcurrencyLimitStrategy

from dinov2.errors import ConfigError
from flows.deployed import listed
from flows.serve import deployments, sole_worker
from tests.flows.conftest import REPOSITORY, Workspace, commit, git, wait_for
from tests.flows.serving import Up, up


def test_the_deployments_are_read_and_runs_of_the_pipeline_wait_for_each_other() -> None:
    found = {own.name: own for own in deployments(REPOSITORY)}
    pipeline = found["pipeline"]
    assert pipeline.concurrency_limit == 1
    assert pipeline.concurrency_options
    assert pipeline.concurrency_options.collision_strategy == ConcurrencyLimitStrategy.ENQUEUE
    assert pipeline._parameter_openapi_schema.properties["preset"]["title"] == "Preset"


def test_deployments_are_known_by_their_flow_without_loading_it(tmp_path: Path) -> None:
    assert listed(REPOSITORY) == {f"{own.flow_name}/{own.name}" for own in deployments(REPOSITORY)}
    (tmp_path / "mine.py").write_text("from prefect import flow\n@flow(name='Mine')\ndef my_own(): ...\n")
    (tmp_path / "prefect.yaml").write_text("deployments: [{name: daily, entrypoint: 'mine.py:my_own'}]")
    with pytest.raises(ConfigError, match=r"mine\.py:my_own: call its flow 'my-own'"):
        list(deployments(tmp_path))
    (tmp_path / "mine.py").write_text("from prefect import flow\n@flow\ndef my_own(): ...\n")
    assert listed(tmp_path) == {f"{own.flow_name}/{own.name}" for own in deployments(tmp_path)} == {"my-own/daily"}


def test_a_workspace_has_one_worker(tmp_path: Path) -> None:
    refused = pytest.raises(ConfigError, match=r"another worker .*\(process \d+\)")
    with sole_worker(tmp_path), refused, sole_worker(tmp_path):
        pass
    with sole_worker(tmp_path):
        pass


def _create(running: Up, **form: Any) -> str:
    return running.create("pipeline/pipeline", **form)


@pytest.mark.slow
def test_runs_of_the_form_have_clones_that_a_dead_worker_and_retries_do_not_harm(workspace: Workspace) -> None:
    root = workspace.root
    waiting = f"echo began >> {root}/began; while ! test -e {root}/go_on; do sleep 0.1; done; echo two"
    workspace.write("dvc.yaml", (root / "dvc.yaml").read_text().replace("echo two", waiting, 1))
    commit(workspace)
    with up(workspace) as running:
        big = [{"key": "seed", "value": "1" * 600_000}]
        for field, value in (("stages", ["; id"]), ("overrides", big), ("name", "../x"), ("preset", "huge")):
            with pytest.raises(urllib.error.HTTPError) as refused:
                _create(running, **{field: value})
            assert refused.value.code == 409
            assert f"Validation failed for field '{field}" in json.loads(refused.value.read())["detail"]

        wrong = _create(running, overrides=[{"key": "pretrain.sise", "value": "1"}])
        said = running.wait_for_end(wrong)
        assert said["type"] == "FAILED"
        assert "ConfigError: overrides: pretrain.sise: no such parameter; allowed here: " in said["message"]
        assert not (root / "var" / "runs").exists(), "it is seen before a clone is made"

        first = _create(running, force=True)
        wait_for((root / "began").exists, seconds=180)
        second = _create(running, overrides=[{"key": "seed", "value": "1"}])
        wait_for(lambda: running.run(second)["state"]["name"] == "AwaitingConcurrencySlot", seconds=120)
        running.kill("worker")
        workspace.write("go_on", "")
        wait_for(
            lambda: "Retry it: what is done is skipped" in (running.run(first)["state"]["message"] or ""), seconds=120
        )
        assert running.state(first) == "CRASHED"
        assert running.retry(first) == "ACCEPT"
        running.retry(first)
        for run in (first, second):
            wait_for(lambda run=run: running.state(run) in ("COMPLETED", "FAILED"), seconds=180)
            assert running.state(run) == "COMPLETED", running.run(run)["state"]

        names = [running.run(run)["name"] for run in (first, second)]
        ran = (root / "var" / "runs" / names[0] / "ran.log").read_text().split()
        assert ran == ["first", "second", "S", "B", "last"], "each once, though it was forced, killed and tried again"
        branches = git(root, "branch", "--list", "runs/*", "--format=%(refname:lstrip=3)").split()
        assert sorted(branches) == sorted(names)
        assert "seed: 1" in git(root, "show", f"runs/{names[1]}:params.yaml")
        assert workspace.ran() == [], "nothing has run in the workspace itself"
