"""What may happen to a cluster and its servers while they train, and a flow that is cancelled."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.checkouts import TINY, checkouts, run
from tests.cluster.pretraining import BATCH, PROCESSES, SHARED, WEIGHTS, assert_curve_in_mlflow
from tests.cluster.training import Training
from tests.remote import Remote

pytestmark = [pytest.mark.slow, pytest.mark.cluster, pytest.mark.s3, pytest.mark.timeout(2400)]

LONG = {"pretrain": BATCH | {"epochs": 4, "epoch_length": 15}}


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


Fault = Callable[[Remote, Training], None]


def kill_a_pod(remote: Remote, training: Training) -> None:
    for process in remote.workers(f"{training.job}-1"):
        process.kill()


def delete_a_pod(remote: Remote, training: Training) -> None:
    remote.kubectl("delete", "pod", training.pod(0), "--wait=false")


def kill_the_flow(remote: Remote, training: Training) -> None:
    jobs = remote.kubectl("get", "jobs", "--output", "jsonpath={.items[*].metadata.uid}")
    training.flow.kill()
    training.flow.wait()
    time.sleep(10)  # longer than what it leaves behind is given to end
    assert remote.kubectl("get", "jobs", "--output", "jsonpath={.items[*].metadata.uid}") == jobs
    training.start()


def stop_the_object_store(remote: Remote, _: Training) -> None:
    remote.object_store.stop()
    time.sleep(30)
    remote.object_store.start()


def stop_mlflow(remote: Remote, _: Training) -> None:
    remote.mlflow.stop()
    time.sleep(60)
    remote.mlflow.start()


@pytest.mark.parametrize(
    "faults",
    [(kill_a_pod,), (delete_a_pod, kill_the_flow), (stop_the_object_store, stop_mlflow)],
    ids=lambda faults: "-then-".join(fault.__name__ for fault in faults),
)
def test_what_happens_to_a_cluster_costs_neither_weights_nor_figures(
    faults: tuple[Fault, ...], remote: Remote, long_way: LongWay, tmp_path: Path
) -> None:
    training = Training(remote, long_way.before, tmp_path / "checkout", faults[0].__name__)
    with training:
        for fault in faults:
            training.wait_for_another_checkpoint()
            uids = remote.kubectl("get", "jobs", "--output", "jsonpath={.items[*].metadata.uid}")
            fault(remote, training)
        said = training.end()
    assert remote.kubectl("get", "jobs", "--output", "jsonpath={.items[*].metadata.uid}") == uids, said
    assert "retry 1 of" in said or kill_a_pod not in faults, said
    for name in (*WEIGHTS, "plots/pretrain.csv"):
        assert (training.root / name).read_bytes() == (long_way.after / name).read_bytes(), name
    assert_curve_in_mlflow(remote, training.root)


def test_a_cancelled_flow_leaves_nothing_behind(remote: Remote, long_way: LongWay, tmp_path: Path) -> None:
    with Training(remote, long_way.before, tmp_path / "checkout", "cancelled") as training:
        training.wait_for_another_checkpoint()
        job = training.job
        training.flow.terminate()
        training.flow.wait(60)
    deadline = time.monotonic() + 60
    while any(name.startswith(job) for kind in ("jobs", "pods", "services") for name in remote.names(kind)):
        assert time.monotonic() < deadline, "something is left"
        time.sleep(0.5)
