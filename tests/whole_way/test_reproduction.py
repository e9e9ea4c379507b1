"""What a recorded run promises: in a clone nothing runs twice, and all of it runs again to the same bytes."""

from pathlib import Path

import pytest
import yaml

from dinov2.registry.client import connect
from dinov2.runs.branches import latest
from dinov2.runs.lineage import lineage_of
from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.stages.params import load_params
from dinov2.storage import file_sha256
from tests.checkouts import run
from tests.runs.conftest import in_git

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

URI = "models:/dinov2-S/1"


def plain_clone(origin: Path, folder: Path) -> Path:
    """What a person has who clones the branch of the run with git, and points DVC to where the outputs were pushed."""
    in_git(origin, "clone", "--quiet", "--branch", branch(origin), str(origin), str(folder))
    run(folder, "dvc", "remote", "modify", "--local", "local", "url", str(origin / "var" / "dvc"))
    return folder


def branch(origin: Path) -> str:
    """That of the run that went the whole way."""
    found = latest(origin, "pipeline")
    assert found
    return found


def ran(said: str) -> set[str]:
    """The stages that `dvc repro` says it has run."""
    lines = (line for line in said.splitlines() if line.startswith("Running stage '"))
    return {line.split("'")[1] for line in lines}


def test_the_version_says_which_run_made_it(walked: Path) -> None:
    tags = connect(Settings(), walked).get_model_version("dinov2-S", "1").tags
    assert f"runs/{tags['dinov2.run']}" == branch(walked)
    assert tags["dinov2.commit"] == in_git(walked, "rev-parse", branch(walked))
    assert tags["dinov2.weights_sha256"] == file_sha256(walked / "weights" / "S.safetensors")


def test_in_a_clone_nothing_runs_and_after_one_parameter_only_what_depends_on_it(walked: Path, tmp_path: Path) -> None:
    run(walked, "dvc", "push")
    root = plain_clone(walked, tmp_path / "pulled")
    run(root, "dvc", "pull")
    assert "Data and pipelines are up to date" in run(root, "dvc", "repro")
    assert in_git(root, "status", "--porcelain") == ""
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["evaluate"]["linear"]["iterations"] += 1
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    assert ran(run(root, "dvc", "repro")) == {"evaluate@S", "register@S", "report"}


def test_without_any_cache_dvc_alone_runs_all_again_to_the_same_lock_and_the_bytes_of_the_version(
    walked: Path, tmp_path: Path
) -> None:
    root = plain_clone(walked, tmp_path / "bare")
    assert not (root / ".dvc" / "cache").exists()
    stages = yaml.safe_load((walked / "dvc.lock").read_text())["stages"]
    assert ran(run(root, "dvc", "repro")) == stages.keys()
    assert (root / "dvc.lock").read_bytes() == (walked / "dvc.lock").read_bytes()
    version = connect(Settings(), walked).get_model_version("dinov2-S", "1")
    assert file_sha256(root / "weights" / "S.safetensors") == version.tags["dinov2.weights_sha256"]


def test_a_version_is_made_again_by_its_name_and_says_where_it_comes_from(walked: Path) -> None:
    store = walked / "var" / "store"
    before = sorted(path for path in (store / "training").rglob("*") if path.is_file())
    times = [path.stat().st_mtime_ns for path in before]
    said = run(walked, "dinov2", "reproduce", URI)
    assert f"{URI}: the same: distill@S gave metrics/S.json, plots/S.csv, weights/S.safetensors again" in said
    assert ran(said) == {"distill@S"}
    assert sorted(path for path in (store / "training").rglob("*") if path.is_file()) == before
    assert [path.stat().st_mtime_ns for path in before] == times
    assert not (store / "reproductions").exists() or not list((store / "reproductions").iterdir())

    told = lineage_of(Context(walked, load_params(walked), Settings()), URI)
    stages = ["ingest", "embed", "deduplicate", "retrieve", "pack", "pretrain", "highres", "distill@S"]
    assert sorted(stage["name"] for stage in told["stages"]) == sorted(stages)
    assert [source["uri"] for source in told["sources"]] == ["sample:pool", "sample:curated", "sample:labelled"]
    assert all(source["listing"] for source in told["sources"])
