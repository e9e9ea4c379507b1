"""The pipeline with its heavy stages in the pods of a cluster and all its data in S3, and what may happen meanwhile."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from dinov2.errors import EXIT_USER_ERROR
from tests.checkouts import TINY, Checkout, checkouts, environment, run
from tests.lab import Cluster, ObjectStore
from tests.remote import Remote, remote_checkout

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.s3, pytest.mark.timeout(1200)]

BATCH = {"batch_size": 32, "group_size": 8}
SHARED = {name: TINY[name] | BATCH for name in ("pretrain", "highres", "distill")}
LONG = {"pretrain": BATCH | {"epochs": 4, "epoch_length": 15}}
PROCESSES = "4"
"""Of the local launcher, as many as two pods of two."""
WEIGHTS = ("weights/pretrain.safetensors", "weights/pretrain.training.safetensors")
FLOW = (sys.executable, "-m", "flows.pipeline")


@pytest.fixture(scope="module")
def remote(cluster: Cluster, object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    with remote_checkout(cluster, object_store, tmp_path_factory.mktemp("remote")) as made:
        yield made


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


@dataclass(frozen=True)
class LongWay:
    """Two checkouts whose pretraining takes a minute: in one it is to come, in the other it was not disturbed."""

    before: Path
    after: Path


@pytest.fixture(scope="module")
def long_way(tmp_path_factory: pytest.TempPathFactory) -> LongWay:
    folder = tmp_path_factory.mktemp("long")
    before, after = checkouts(folder, TINY | SHARED | LONG)("before"), folder / "after"
    run(before, "dinov2", "scan")
    run(before, "dvc", "repro", "pack")
    shutil.copytree(before, after)
    run(after, "dinov2", "pretrain", DINOV2_PROCESSES=PROCESSES, DINOV2_THREADS="1")
    return LongWay(before, after)


Fault = Callable[[Remote, "Training"], None]


def kill_a_pod(remote: Remote, training: "Training") -> None:
    for process in remote.workers(f"{training.job}-1"):
        process.kill()


def delete_a_pod(remote: Remote, training: "Training") -> None:
    remote.kubectl("delete", "pod", training.pod(0), "--wait=false")


def kill_the_flow(remote: Remote, training: "Training") -> None:
    jobs = remote.kubectl("get", "jobs", "--output", "jsonpath={.items[*].metadata.uid}")
    training.flow.kill()
    training.flow.wait()
    time.sleep(10)  # longer than what it leaves behind is given to end
    assert remote.kubectl("get", "jobs", "--output", "jsonpath={.items[*].metadata.uid}") == jobs
    training.start()


def stop_the_object_store(remote: Remote, _: "Training") -> None:
    remote.object_store.stop()
    time.sleep(30)
    remote.object_store.start()


def stop_mlflow(remote: Remote, _: "Training") -> None:
    remote.mlflow.stop()
    time.sleep(60)
    remote.mlflow.start()


@pytest.mark.parametrize("fault", [kill_a_pod, delete_a_pod, kill_the_flow, stop_the_object_store, stop_mlflow])
def test_what_happens_to_a_cluster_costs_neither_weights_nor_figures(
    fault: Fault, remote: Remote, long_way: LongWay, tmp_path: Path
) -> None:
    training = Training(remote, long_way.before, tmp_path / "checkout", fault.__name__)
    with training:
        training.wait_for_checkpoint()
        uids = remote.kubectl("get", "jobs", "--output", "jsonpath={.items[*].metadata.uid}")
        fault(remote, training)
        said = training.end()
    assert remote.kubectl("get", "jobs", "--output", "jsonpath={.items[*].metadata.uid}") == uids, said
    assert "retry 1 of" in said or fault is not kill_a_pod, said
    for name in (*WEIGHTS, "plots/pretrain.csv"):
        assert (training.root / name).read_bytes() == (long_way.after / name).read_bytes(), name
    assert_curve_in_mlflow(remote, training.root)


def test_a_cancelled_flow_leaves_nothing_behind(remote: Remote, long_way: LongWay, tmp_path: Path) -> None:
    with Training(remote, long_way.before, tmp_path / "checkout", "cancelled") as training:
        training.wait_for_checkpoint()
        job = training.job
        training.flow.terminate()
        training.flow.wait(60)
    deadline = time.monotonic() + 60
    while any(name.startswith(job) for kind in ("jobs", "pods", "services") for name in remote.names(kind)):
        assert time.monotonic() < deadline, "something is left"
        time.sleep(0.5)


class Training:
    """A flow that brings `pretrain` up to date on the cluster; it and its Job end with the block."""

    def __init__(self, remote: Remote, like: Path, root: Path, store: str) -> None:
        """A copy of the checkout `like`, whose store holds nothing but its images."""
        self.remote, self.root = remote, root
        shutil.copytree(like, root, ignore=shutil.ignore_patterns("var", "tmp"))
        self.settings = remote.settings(store, DINOV2_CHECKPOINT_SECONDS="10")
        remote.write_jobs(root)
        self._fs().put(str(like / "var/store/shards"), f"{self.settings['DINOV2_STORE']}/", recursive=True)

    def __enter__(self) -> "Training":
        self.remote.kubectl("delete", "jobs", "--all", "--wait=true")
        client = MlflowClient(self.remote.mlflow.url)
        for earlier in pretraining_runs(client):  # the same work is the same run
            client.delete_run(earlier.info.run_id)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.flow.poll() is None:
            os.killpg(self.flow.pid, signal.SIGKILL)
            self.flow.wait()

    def start(self) -> None:
        """Start the flow, for the first time or again."""
        with (self.root / "flow.log").open("ab") as log:
            self.flow = subprocess.Popen(
                [*FLOW, "pretrain"], cwd=self.root, env=environment(**self.settings), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def wait_for_checkpoint(self) -> None:
        """Until the first one is whole."""
        deadline = time.monotonic() + 300
        fs, folder = self._fs(), f"{self.settings['DINOV2_STORE']}/training"
        while not any(name.endswith(".complete") for name in fs.find(folder, refresh=True)):
            assert self.flow.poll() is None, self._log()
            assert time.monotonic() < deadline, self._log()
            time.sleep(0.5)

    def end(self) -> str:
        """Wait until the flow ends well; what it said."""
        assert self.flow.wait(900) == 0, self._log()
        return self._log()

    @property
    def job(self) -> str:
        """Name of the Job; there is but one."""
        (name,) = self.remote.names("jobs")
        return name

    def pod(self, index: int) -> str:
        """Name of the pod of an index."""
        pods = json.loads(self.remote.kubectl("get", "pods", "--output", "json"))["items"]
        names = [each["metadata"] for each in pods if each["status"]["phase"] == "Running"]
        key = "batch.kubernetes.io/job-completion-index"
        return next(str(each["name"]) for each in names if each["annotations"][key] == str(index))

    def _fs(self) -> fsspec.AbstractFileSystem:
        keys = self.settings
        return fsspec.filesystem(
            "s3", key=keys["AWS_ACCESS_KEY_ID"], secret=keys["AWS_SECRET_ACCESS_KEY"],
            endpoint_url=keys["AWS_ENDPOINT_URL"],
        )  # fmt: skip

    def _log(self) -> str:
        return (self.root / "flow.log").read_text()


def pretraining_runs(client: MlflowClient) -> list[Run]:
    """Those in MLflow that are not deleted."""
    experiment = client.get_experiment_by_name("dinov2")
    if not experiment:
        return []
    return [each for each in client.search_runs([experiment.experiment_id]) if each.info.run_name == "pretrain"]


def assert_curve_in_mlflow(remote: Remote, root: Path) -> None:
    """Every point of the loss curve is in MLflow."""
    client = MlflowClient(remote.mlflow.url)
    (found,) = pretraining_runs(client)
    assert found.info.status == "FINISHED"
    curve = pd.read_csv(root / "plots/pretrain.csv")
    points = {point.step: point.value for point in client.get_metric_history(found.info.run_id, "loss")}
    assert sorted(points) == list(curve["iteration"])
    assert [points[step] for step in sorted(points)] == pytest.approx(list(curve["loss"]), rel=1e-5)
