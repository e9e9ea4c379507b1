"""A run's clone is the workspace as it is, whole or not there, and leaves the workspace alone."""

import multiprocessing
import shutil
import stat
from pathlib import Path

import pytest
import yaml

import dinov2
from dinov2.config import read_yaml
from dinov2.errors import ConfigError, DataError
from dinov2.runs.clone import Run, at, clone, environment
from dinov2.runs.record import record
from dinov2.settings import Settings
from tests.runs.conftest import in_dvc, in_git


def test_a_clone_has_what_the_workspace_has_and_the_workspace_is_left_alone(origin: Path) -> None:
    (origin / "input.txt").write_text("edited\n")
    (origin / "added.txt").write_text("added\n")
    in_git(origin, "add", "added.txt")
    (origin / "unknown.txt").write_text("unknown\n")
    before = in_git(origin, "status", "--porcelain"), in_git(origin, "show-ref"), in_git(origin, "rev-parse", "HEAD")
    run = clone(origin, "first")
    assert run == Run("first", origin / "var" / "runs" / "first", origin)
    assert (run.root / "input.txt").read_text() == "edited\n"
    assert (run.root / "added.txt").read_text() == "added\n"
    assert not (run.root / "unknown.txt").exists()
    assert in_git(run.root, "branch", "--show-current") == "runs/first"
    assert in_git(run.root, "status", "--porcelain") == ""
    after = in_git(origin, "status", "--porcelain"), in_git(origin, "show-ref"), in_git(origin, "rev-parse", "HEAD")
    assert before == after


def test_a_workspace_without_changes_is_cloned_at_its_commit_even_on_no_branch(origin: Path) -> None:
    in_git(origin, "checkout", "--quiet", "--detach")
    run = clone(origin, "detached")
    assert in_git(run.root, "rev-parse", "HEAD") == in_git(origin, "rev-parse", "HEAD")
    assert in_git(run.root, "branch", "--show-current") == "runs/detached"


def test_parameters_replace_those_of_the_workspace_and_nothing_else(origin: Path) -> None:
    params = read_yaml(origin / "params.yaml") | {"seed": 7}
    run = clone(origin, "seven", params)
    assert read_yaml(run.root / "params.yaml") == params
    assert in_git(run.root, "status", "--porcelain").split() == ["M", "params.yaml"]
    assert read_yaml(origin / "params.yaml")["seed"] == 0
    kept = clone(origin, "kept", read_yaml(origin / "params.yaml"))
    assert (kept.root / "params.yaml").read_bytes() == (origin / "params.yaml").read_bytes()


def test_the_same_name_goes_on_with_the_same_run_and_other_parameters_are_refused(origin: Path) -> None:
    params = read_yaml(origin / "params.yaml") | {"seed": 7}
    run = clone(origin, "seven", params)
    (run.root / "left.txt").write_text("by the run\n")
    (origin / "input.txt").write_text("edited since\n")
    assert clone(origin, "seven", params) == run
    assert (run.root / "left.txt").is_file()
    assert (run.root / "input.txt").read_text() == "input\n"
    with pytest.raises(ConfigError, match="run seven: has other parameters already, in seed; choose another name"):
        clone(origin, "seven", params | {"seed": 8})


def test_a_run_that_was_recorded_and_removed_comes_back_as_it_was(origin: Path) -> None:
    params = read_yaml(origin / "params.yaml") | {"seed": 7}
    run = clone(origin, "seven", params)
    (run.root / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    commit = record(run, Settings(), {}, push=False).commit
    shutil.rmtree(run.root)
    (origin / "input.txt").write_text("edited since\n")
    with pytest.raises(ConfigError, match="run seven: has other parameters already, in seed"):
        clone(origin, "seven")
    assert not run.root.exists()
    clone(origin, "seven", params)
    assert in_git(run.root, "rev-parse", "HEAD") == commit
    assert (run.root / "dvc.lock").is_file()
    assert (run.root / "input.txt").read_text() == "input\n"


def test_what_no_run_can_be_a_clone_of_is_refused_and_nothing_is_left(origin: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name of a run: 'No'"):
        clone(origin, "No")
    bare = tmp_path / "bare"
    shutil.copytree(origin, bare, ignore=shutil.ignore_patterns(".git"))
    with pytest.raises(ConfigError, match="not a git repository"):
        clone(bare, "run")
    in_git(origin, "rm", "-r", "--quiet", "--cached", ".dvc")
    with pytest.raises(ConfigError, match="no repository of DVC"):
        clone(origin, "run")
    assert [path.name for path in (origin / "var" / "runs").iterdir()] == [".lock"]


def test_what_a_crash_left_is_removed_by_the_next_try(origin: Path) -> None:
    draft = origin / "var" / "runs" / ".crashed.draft"
    draft.mkdir(parents=True)
    (draft / "params.yaml").write_text("half")
    run = clone(origin, "crashed")
    assert not draft.exists()
    assert in_git(run.root, "status", "--porcelain") == ""


def test_of_two_processes_that_clone_the_same_name_both_get_the_one_clone(origin: Path) -> None:
    with multiprocessing.get_context("fork").Pool(3) as pool:
        found = pool.starmap(clone, [(origin, "same")] * 3)
    assert found == [Run("same", origin / "var" / "runs" / "same", origin)] * 3
    assert in_git(found[0].root, "status", "--porcelain") == ""
    assert sorted(path.name for path in (origin / "var" / "runs").iterdir()) == [".lock", "same"]
    assert "refs/dinov2" not in in_git(origin, "show-ref")


def test_the_code_of_a_run_must_be_the_code_that_runs(origin: Path) -> None:
    package = Path(dinov2.__file__).parent
    shutil.copytree(package, origin / "dinov2", ignore=shutil.ignore_patterns("__pycache__"))
    in_git(origin, "add", "dinov2")
    clone(origin, "same")
    in_git(origin, "rm", "--quiet", "--cached", "dinov2/errors.py")
    with pytest.raises(ConfigError, match=r"dinov2/errors\.py: git does not know it, .*`git add` it"):
        clone(origin, "unknown")
    in_git(origin, "add", "dinov2")
    (origin / "dinov2" / "errors.py").write_text("# edited\n")
    with pytest.raises(ConfigError, match=r"dinov2/errors\.py: is not that of the installed"):
        clone(origin, "edited")
    assert sorted(path.name for path in (origin / "var" / "runs").iterdir()) == [".lock", "same"]


def test_dvc_of_a_clone_has_the_remotes_cache_and_keys_of_the_workspace(origin: Path) -> None:
    local = origin / ".dvc" / "config.local"
    local.write_text("['remote \"s3\"']\n    url = s3://bucket/dvc\n    secret_access_key = hidden\n")
    run = clone(origin, "run")
    written = run.root / ".dvc" / "config.local"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    told = written.read_text()
    assert f"url = {origin / 'var' / 'dvc'}\n" in told
    assert f"dir = {origin / '.dvc' / 'cache'}\n" in told
    assert "secret_access_key = hidden" in told
    assert in_git(run.root, "status", "--porcelain") == ""


def test_a_clone_need_not_compute_what_the_workspace_has_and_the_workspace_does_not_see_it(origin: Path) -> None:
    in_dvc(origin, "repro")
    run = clone(origin, "run")
    wrong = run.root / "data" / "wrong.dvc"
    wrong.write_text("DVC refuses this where it looks")
    assert "Data and pipelines are up to date" in in_dvc(origin, "status")
    wrong.unlink()
    in_dvc(run.root, "repro")
    assert (run.root / "registry" / "S.json").read_bytes() == (origin / "registry" / "S.json").read_bytes()
    assert not (run.root / "ran.log").exists()


def test_images_and_weights_that_git_does_not_keep_are_linked(origin: Path) -> None:
    for name in ("photos/2024/a.jpg", "tars/1.tar", "given/face.onnx", "kept/b.jpg"):
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).write_text(name)
    in_git(origin, "add", "kept")
    params = read_yaml(origin / "params.yaml")
    uris = ("photos/2024", "tars/{0..1}.tar", "kept", "sample:pool", "s3://bucket/x", "/absolute", "missing")
    params["ingest"]["sources"] = [{"name": f"s{n}", "uri": uri, "role": "pool"} for n, uri in enumerate(uris)]
    params["ingest"]["filters"] = [{"kind": "faces", "detector": "given/face.onnx"}]
    params["distill"]["teacher"] = "given/teacher.safetensors"
    (origin / "given" / "teacher.safetensors").touch()
    run = clone(origin, "run", params)
    assert (run.root / "photos" / "2024" / "a.jpg").read_text() == "photos/2024/a.jpg"
    assert (run.root / "tars" / "1.tar").is_file()
    assert (run.root / "given" / "face.onnx").resolve() == origin / "given" / "face.onnx"
    assert (run.root / "given" / "teacher.safetensors").is_symlink()
    assert not (run.root / "kept").is_symlink()
    assert in_git(run.root, "status", "--porcelain").split() == ["M", "params.yaml"]
    params["ingest"]["sources"][0]["uri"] = "../elsewhere"
    with pytest.raises(ConfigError, match=r"ingest\.sources\.0\.uri: '\.\./elsewhere': leads out of the workspace"):
        clone(origin, "other", params)


def test_a_teacher_that_a_stage_of_the_workspace_made_is_left_to_dvc(origin: Path) -> None:
    in_dvc(origin, "repro")
    params = read_yaml(origin / "params.yaml")
    params["distill"]["teacher"] = "weights/S.safetensors"
    run = clone(origin, "run", params)
    assert not (run.root / "weights" / "S.safetensors").is_symlink()
    assert (origin / "weights" / "S.safetensors").is_file()


def test_commands_of_a_clone_find_store_and_tracking_in_the_workspace(
    origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    run = Run("run", origin / "var" / "runs" / "run", origin)
    assert environment(run, Settings()) == {
        "DINOV2_STORE": str(origin / "var" / "store"),
        "DINOV2_TRACKING": f"sqlite:///{origin / 'var' / 'mlflow.db'}",
        "DINOV2_ARTIFACTS": str(origin / "var" / "mlflow-artifacts"),
        "DINOV2_SCRATCH": str(run.root / "var" / "scratch"),
    }
    (run.root / "dinov2").mkdir(parents=True)
    cluster = Settings(launcher="kubernetes")
    assert environment(run, cluster)["DINOV2_STORE"] == "var/store", "which no pod can reach, and is told by that name"
    elsewhere = Settings(
        store="s3://bucket/x",
        tracking="http://mlflow:5000",
        artifacts="s3://bucket/a",
        checkpoints="var/kept",
        scratch="/fast",
    )
    assert environment(run, elsewhere) == {
        "DINOV2_STORE": "s3://bucket/x",
        "DINOV2_TRACKING": "http://mlflow:5000",
        "DINOV2_ARTIFACTS": "s3://bucket/a",
        "DINOV2_CHECKPOINTS": str(origin / "var" / "kept"),
        "DINOV2_SCRATCH": "/fast/run",
        "PYTHONPATH": str(run.root),
    }


def test_a_clone_at_a_commit_is_as_it_was_then(origin: Path, tmp_path: Path) -> None:
    first = in_git(origin, "rev-parse", "HEAD")
    (origin / "input.txt").write_text("second\n")
    (origin / ".dvc" / "config").write_text("['remote \"new\"']\n    url = ../new\n")
    in_git(origin, "commit", "--quiet", "--all", "--message", "second")
    folder = tmp_path / "elsewhere" / "old"
    run = at(origin, first, folder)
    assert run == Run("old", folder, origin)
    assert (folder / "input.txt").read_text() == "input\n"
    assert str(origin / "new") in (folder / ".dvc" / "config.local").read_text()
    assert at(origin, first, folder) == run
    with pytest.raises(ConfigError, match="is there already and is no clone at main"):
        at(origin, "main", folder)
    with pytest.raises(DataError, match="git has no commit 'nowhere'"):
        at(origin, "nowhere", tmp_path / "none")


def test_a_commit_that_no_branch_has_any_more_can_be_cloned(origin: Path, tmp_path: Path) -> None:
    (origin / "input.txt").write_text("second\n")
    in_git(origin, "commit", "--quiet", "--all", "--message", "second")
    lost = in_git(origin, "rev-parse", "HEAD")
    in_git(origin, "reset", "--quiet", "--hard", "HEAD~1")
    assert (at(origin, lost, tmp_path / "lost").root / "input.txt").read_text() == "second\n"


def test_parameters_are_written_so_that_dvc_and_we_read_the_same_numbers(origin: Path) -> None:
    params = read_yaml(origin / "params.yaml")
    params["pretrain"]["optimiser"] |= {"base_lr": 1e-5, "weight_decay": (0.04, 0.2)}
    run = clone(origin, "small", params)
    params["pretrain"]["optimiser"]["weight_decay"] = [0.04, 0.2]
    assert yaml.safe_load((run.root / "params.yaml").read_text()) == params
