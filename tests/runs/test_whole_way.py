"""What a recorded run promises, on the whole pipeline at its smallest: nothing runs twice, and all of it runs again."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dinov2.registry.client import connect
from dinov2.runs.clone import Run, clone, environment
from dinov2.runs.lineage import lineage_of
from dinov2.runs.record import Recorded, record
from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.stages.params import load_params
from dinov2.storage import file_sha256
from tests.checkouts import TINY, checkouts, run
from tests.runs.conftest import in_git

pytestmark = [pytest.mark.slow, pytest.mark.long]

FEWER: dict[str, dict[str, Any]] = {
    "pretrain": {"epochs": 2, "epoch_length": 5},
    "highres": {"iterations": 3},
    "distill": {"epochs": 2},
    "evaluate": {"models": ["S"]},
}
PARAMETERS = {section: TINY[section] | changes for section, changes in FEWER.items()}
URI = "models:/dinov2-S/1"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Recorded]:
    """A run that went the whole way in a clone of a checkout, with what is recorded of it."""
    origin = checkouts(tmp_path_factory.mktemp("runs"), PARAMETERS)("origin")
    in_git(origin, "add", ".")
    in_git(origin, "commit", "--quiet", "--message", "first")
    nightly = clone(origin, "nightly")
    variables = environment(nightly, Settings())
    run(nightly.root, "dinov2", "scan", **variables)
    run(nightly.root, "dvc", "repro", **variables)
    return nightly, record(nightly, Settings(), {"Flow": "pipeline"}, push=True)


def plain_clone(origin: Path, folder: Path) -> Path:
    """What a person has who clones the branch with git, and points DVC to where the outputs were pushed."""
    in_git(origin, "clone", "--quiet", "--branch", "runs/nightly", str(origin), str(folder))
    run(folder, "dvc", "remote", "modify", "--local", "local", "url", str(origin / "var" / "dvc"))
    return folder


def ran(said: str) -> set[str]:
    """The stages that `dvc repro` says it has run."""
    lines = (line for line in said.splitlines() if line.startswith("Running stage '"))
    return {line.split("'")[1] for line in lines}


def test_the_version_says_which_run_made_it(recorded: tuple[Run, Recorded]) -> None:
    nightly, found = recorded
    assert found.versions == [URI]
    tags = connect(Settings(), nightly.origin).get_model_version("dinov2-S", "1").tags
    assert tags["dinov2.run"] == "nightly"
    assert tags["dinov2.commit"] == found.commit == in_git(nightly.origin, "rev-parse", "runs/nightly")
    assert tags["dinov2.weights_sha256"] == file_sha256(nightly.root / "weights" / "S.safetensors")


def test_in_a_clone_nothing_runs_and_after_one_parameter_only_what_depends_on_it(
    recorded: tuple[Run, Recorded], tmp_path: Path
) -> None:
    nightly, _ = recorded
    root = plain_clone(nightly.origin, tmp_path / "pulled")
    run(root, "dvc", "pull")
    assert "Data and pipelines are up to date" in run(root, "dvc", "repro")
    assert in_git(root, "status", "--porcelain") == ""
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["evaluate"]["linear"]["iterations"] += 1
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    assert ran(run(root, "dvc", "repro")) == {"evaluate@S", "register@S", "report"}


def test_without_any_cache_all_runs_again_and_the_bytes_are_those_of_the_version(
    recorded: tuple[Run, Recorded], tmp_path: Path
) -> None:
    nightly, _ = recorded
    root = plain_clone(nightly.origin, tmp_path / "bare")
    assert not (root / ".dvc" / "cache").exists()
    assert ran(run(root, "dvc", "repro", "distill@S")) >= {"ingest", "embed", "pretrain", "highres", "distill@S"}
    assert (root / "dvc.lock").read_bytes() == (nightly.root / "dvc.lock").read_bytes()
    version = connect(Settings(), nightly.origin).get_model_version("dinov2-S", "1")
    assert file_sha256(root / "weights" / "S.safetensors") == version.tags["dinov2.weights_sha256"]


def test_a_version_is_made_again_by_its_name_and_says_where_it_comes_from(recorded: tuple[Run, Recorded]) -> None:
    nightly, _ = recorded
    origin, store = nightly.origin, nightly.origin / "var" / "store"
    before = sorted(path for path in (store / "training").rglob("*") if path.is_file())
    times = [path.stat().st_mtime_ns for path in before]
    said = run(origin, "dinov2", "reproduce", URI)
    assert f"{URI}: the same: distill@S gave metrics/S.json, plots/S.csv, weights/S.safetensors again" in said
    assert ran(said) == {"distill@S"}
    assert sorted(path for path in (store / "training").rglob("*") if path.is_file()) == before
    assert [path.stat().st_mtime_ns for path in before] == times
    assert not (store / "reproductions").exists() or not list((store / "reproductions").iterdir())

    told = lineage_of(Context(origin, load_params(origin), Settings()), URI)
    stages = ["ingest", "embed", "deduplicate", "retrieve", "pack", "pretrain", "highres", "distill@S"]
    assert sorted(stage["name"] for stage in told["stages"]) == sorted(stages)
    assert [source["uri"] for source in told["sources"]] == ["sample:pool", "sample:curated", "sample:labelled"]
    assert all(source["listing"] for source in told["sources"])
