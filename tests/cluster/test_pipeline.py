"""The pipeline with its heavy stages in the pods of a cluster and all its data in S3."""

import json
import shutil
import subprocess
from pathlib import Path

import fsspec
import pytest
import yaml
from mlflow import MlflowClient

from dinov2.errors import EXIT_USER_ERROR
from tests.checkouts import TINY, Checkout, checkouts, environment, run
from tests.cluster.pretraining import FLOW, PROCESSES, SHARED, WEIGHTS, assert_curve_in_mlflow
from tests.remote import Remote

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.s3, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return checkouts(tmp_path_factory.mktemp("checkouts"), TINY | SHARED)


@pytest.fixture(scope="module")
def local(checkout: Checkout) -> Path:
    """A checkout in which `dvc repro` went the whole way on this machine."""
    root = checkout("local")
    run(root, "dinov2", "scan")
    run(root, "dvc", "repro", DINOV2_PROCESSES=PROCESSES, DINOV2_THREADS="1")
    return root


@pytest.fixture(scope="module")
def walked(remote: Remote, checkout: Checkout) -> tuple[Path, str]:
    """A checkout in which the flow went the whole way on the cluster, and what it said."""
    root, settings = checkout("cluster"), remote.settings("whole")
    remote.write_jobs(root)
    run(root, "dinov2", "scan", **settings)
    return root, run(root, *FLOW, **settings)


def test_the_flow_on_a_cluster_leaves_the_bytes_of_the_local_launcher(walked: tuple[Path, str], local: Path) -> None:
    root, _ = walked
    ours, theirs = (yaml.safe_load((each / "dvc.lock").read_text())["stages"] for each in (root, local))
    assert ours["pretrain"]["outs"] == theirs["pretrain"]["outs"]
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {"report"}:  # it shows the receipts of two registries
        if not name.startswith("register"):
            assert ours[name]["outs"] == theirs[name]["outs"], name


@pytest.mark.usefixtures("walked")
def test_two_pods_of_two_processes_trained(remote: Remote) -> None:
    jobs = json.loads(remote.kubectl("get", "jobs", "--output", "json"))["items"]
    stages = {job["metadata"]["labels"]["dinov2.io/stage"]: job for job in jobs}
    assert set(stages) == {"ingest", "embed", "deduplicate", "retrieve", "pack"} | set(SHARED) | {"evaluate"}
    for name in SHARED:
        assert stages[name]["spec"]["completions"] == stages[name]["status"]["succeeded"] == 2


def test_no_credentials_are_in_manifests_logs_or_receipts(remote: Remote, walked: tuple[Path, str]) -> None:
    root, said = walked
    secret = remote.object_store.environment["AWS_SECRET_ACCESS_KEY"]
    shown = remote.kubectl("get", "jobs,pods,services", "--output", "yaml")
    for pod in remote.names("pods"):
        shown += remote.kubectl("logs", pod)
    for path in [*root.glob("registry/*"), *root.glob("metrics/**/*.json"), root / "dvc.lock", root / "params.yaml"]:
        shown += path.read_text() if path.is_file() else ""
    assert secret not in shown + said


def test_models_and_figures_are_in_mlflow_and_their_files_in_the_bucket(
    remote: Remote, walked: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = walked
    assert_curve_in_mlflow(remote, root)
    client = MlflowClient(remote.mlflow.url)
    for model in TINY["evaluate"]["models"]:
        assert client.get_model_version_by_alias(f"dinov2-{model}", "candidate").version == "1"
    for name, value in remote.object_store.environment.items():
        monkeypatch.setenv(name, value)
    found = fsspec.filesystem("s3").find(remote.mlflow.artifacts)
    assert any(name.endswith(".safetensors") for name in found)


def test_outputs_go_to_a_remote_in_s3_and_come_back_in_a_clone(
    remote: Remote, walked: tuple[Path, str], tmp_path: Path
) -> None:
    root, settings = walked[0], remote.settings("whole")
    run(root, "dvc", "remote", "add", "--default", "bucket", f"{remote.bucket}/dvc", **settings)
    run(root, "dvc", "push", "--run-cache", **settings)
    clone = tmp_path / "clone"
    shutil.copytree(root, clone, ignore=shutil.ignore_patterns("cache", "tmp", "var", "weights"))
    run(clone, "dvc", "pull", **settings)
    for name in WEIGHTS:
        assert (clone / name).read_bytes() == (root / name).read_bytes()


def test_a_finished_pipeline_launches_nothing(remote: Remote, walked: tuple[Path, str]) -> None:
    root, settings = walked[0], remote.settings("whole")
    before = remote.names("jobs")
    (root / WEIGHTS[0]).unlink()
    shutil.rmtree(root / ".dvc/cache")
    assert "has run before" in run(root, "dinov2", "pretrain", **settings)
    assert remote.names("jobs") == before
    assert (root / WEIGHTS[0]).is_file()


def test_a_wrong_key_in_the_secret_of_pods_is_told_in_one_line(
    remote: Remote, walked: tuple[Path, str], tmp_path: Path
) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(walked[0], root, ignore=shutil.ignore_patterns("cache", "tmp", "var", "weights"))
    keys = remote.object_store.environment | {"AWS_SECRET_ACCESS_KEY": "not-the-one"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "wrong"}, "stringData": keys}
    remote.kubectl("apply", "--filename", "-", given=yaml.safe_dump(secret))
    remote.write_jobs(root, pretrain={"secrets": ["wrong"]})
    settings = remote.settings("whole", DINOV2_RERUN="1")
    done = subprocess.run(
        ["dinov2", "pretrain"], cwd=root, env=environment(**settings), capture_output=True, text=True, check=False
    )
    assert done.returncode == EXIT_USER_ERROR
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "the secret key does not belong to the access key" in line
    assert "Traceback" not in done.stderr + done.stdout
