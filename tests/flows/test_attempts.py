"""A retry of a flow run goes on with what the run began with, whatever has become of the workspace since."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prefect.settings import PREFECT_SERVER_ANALYTICS_ENABLED, temporary_settings
from prefect.testing.utilities import prefect_test_harness

from dinov2.errors import ConfigError
from flows.pipeline import pipeline
from flows.recurate import recurate
from tests.flows.conftest import Workspace, commit
from tests.flows.test_recurate import branches, counting, prepared

pytestmark = pytest.mark.slow

STAGES = """
stages:
  curate:
    cmd: cp data/sources.json curated.json && echo curate >> ran.log
    deps: [data/sources.json]
    outs: [curated.json]
  train:
    cmd: echo train >> ran.log && {crash} && cp curated.json weights.json
    deps: [curated.json]
    outs: [weights.json]
"""
NEW_IMAGE = "photos/two.jpg"


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    with temporary_settings({PREFECT_SERVER_ANALYTICS_ENABLED: False}), prefect_test_harness(180):
        yield


@pytest.fixture
def root(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace, which is the current folder, in which a training crashes once, after `crash` in it."""
    monkeypatch.chdir(workspace.root)
    return workspace.root


def crashing(workspace: Workspace, meanwhile: str) -> None:
    """Have the training end badly once, when `meanwhile` has happened in the workspace."""
    crashed = workspace.root / "var/crashed"
    crash = f"( test -e {crashed} || {{ cd {workspace.root}; touch {crashed}; {meanwhile}; exit 2; }} )"
    workspace.write("dvc.yaml", STAGES.replace("{crash}", crash))
    commit(workspace)


def test_new_images_do_not_take_a_retry_back_to_curation(workspace: Workspace, root: Path) -> None:
    crashing(workspace, f"touch {NEW_IMAGE}")
    pipeline.with_options(retries=1)()
    assert (root / NEW_IMAGE).exists(), "it has crashed"
    (run,) = (root / "var/runs").glob("[!.]*")
    assert (run / "ran.log").read_text().split() == ["curate", "train", "train"]
    found = (run / "data/sources.json").read_text()
    pipeline(name=run.name)
    assert (run / "data/sources.json").read_text() != found, "another flow run looks for itself"


def test_a_named_run_is_retried_with_its_own_parameters(workspace: Workspace, root: Path) -> None:
    crashing(workspace, "sed -i s/^seed:.*/seed:\\ 7/ params.yaml")
    pipeline.with_options(retries=1)(name="mine", overrides=[{"key": "pack.shard_mib", "value": "3"}])
    assert yaml.safe_load((root / "params.yaml").read_text())["seed"] == 7
    assert yaml.safe_load((root / "var/runs/mine/params.yaml").read_text())["seed"] == 0
    assert "runs/mine" in branches(root)


def test_a_recuration_under_an_old_name_takes_no_old_parameters(workspace: Workspace, root: Path) -> None:
    prepared(workspace, counting())
    recurate(name="mine")
    params = yaml.safe_load((root / "params.yaml").read_text())
    workspace.write("params.yaml", yaml.safe_dump(params | {"seed": 7}))
    with pytest.raises(ConfigError, match="run mine: has other parameters already, in seed"):
        recurate(name="mine")


def test_rules_for_training_are_read_before_anything_runs(workspace: Workspace, root: Path) -> None:
    prepared(workspace, counting())
    rules = yaml.safe_load((root / "rules.yaml").read_text())
    del rules["retraining"]
    workspace.write("rules.yaml", yaml.safe_dump(rules))
    with pytest.raises(ConfigError, match=r"rules\.yaml.*retraining"):
        recurate(name="mine", train=True)
    assert not (root / "var/runs/mine/dvc.lock").exists()
    recurate(name="mine")
    assert "runs/mine" in branches(root), "without training they are not asked for"
