"""What runs in pods, in processes of this machine that are told what pods are told."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import psutil
import pytest
import yaml
from numpy.random import default_rng

from dinov2.errors import EXIT_AGAIN, EXIT_USER_ERROR
from dinov2.launch import Job, launch
from dinov2.launch.failure import failures_in
from dinov2.launch.kubernetes.exchange import bring_back, finished, put
from dinov2.settings import Settings
from dinov2.stages import ingest, pack
from dinov2.stages.context import Context
from dinov2.stages.files import CURATED, MANIFEST
from dinov2.stages.params import load_params
from dinov2.stages.training_job import job_of
from dinov2.storage import Store

ROOT = Path(__file__).parents[3]
NAME = "try-0123456789ab"
MOST_S = 240


class Pods:
    """The pods of a job, each a process with a workspace of its own."""

    def __init__(self, job: Job, root: Path, folder: Path, nodes: int = 1, processes: int = 1, **told: str) -> None:
        """Put what the job needs into the store `folder`/store; `told` is what pods are told beside their place."""
        self.job, self.root, self.folder = job, root, folder
        self.store = Store(str(folder / "store"))
        put(job, NAME, root, self.store)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            meeting = f"127.0.0.1:{probe.getsockname()[1]}"
        paths = os.pathsep.join(map(str, (root, ROOT)))
        places = {"DINOV2_STORE": self.store.url, "DINOV2_TRACKING": f"sqlite:///{folder}/mlflow.db"}
        part = {"DINOV2_NODES": str(nodes), "DINOV2_PROCESSES": str(processes), "DINOV2_RENDEZVOUS": meeting}
        self.told = os.environ | {"PYTHONPATH": paths, "DINOV2_THREADS": "1", "DINOV2_WORKERS": "0"} | places | part
        self.told |= told
        self.running: dict[int, subprocess.Popen[bytes]] = {}
        self.attempts: dict[int, int] = {}

    def start(self, index: int) -> None:
        """Start the pod of an index, once more if need be: in an empty folder."""
        attempt = self.attempts[index] = self.attempts.get(index, -1) + 1
        workspace = self.folder / f"pod-{index}-{attempt}"
        workspace.mkdir()
        with self._log(index, attempt).open("wb") as log:
            self.running[index] = subprocess.Popen(
                [sys.executable, "-m", "dinov2.launch.kubernetes.worker", NAME],
                cwd=workspace, env=self.told | {"JOB_COMPLETION_INDEX": str(index)}, stdout=log, stderr=log,
            )  # fmt: skip

    def wait(self, index: int) -> int:
        """The exit code of the pod of an index."""
        return self.running[index].wait(MOST_S)

    def go_on(self) -> None:
        """As the Job's controller does: start each pod again that ends badly, until all have ended well."""
        deadline = time.monotonic() + MOST_S
        while any(pod.poll() != 0 for pod in self.running.values()):
            assert time.monotonic() < deadline, self.logs()
            for index, pod in self.running.items():
                if pod.poll():
                    assert self.attempts[index] < 4, self.logs()
                    self.start(index)
            time.sleep(0.2)

    def _log(self, index: int, attempt: int) -> Path:
        return self.folder / f"pod-{index}-{attempt}.log"

    def log(self, index: int, attempt: int = 0) -> str:
        """What the pod of an index said."""
        return self._log(index, attempt).read_text()

    def logs(self) -> str:
        """What all pods said."""
        return "\n".join(f"{path.name}:\n{path.read_text()}" for path in sorted(self.folder.glob("pod-*.log")))

    def stop(self) -> None:
        """End those that still run."""
        for pod in self.running.values():
            if pod.poll() is None:
                pod.kill()
            pod.wait()


def written(root: Path, body: str, outputs: tuple[str, ...] = (), indexes: int = 1) -> Job:
    """A job of a module with this body."""
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).write_text("{}\n")
    (root / "body.py").write_text(
        "import os, pathlib, signal, sys, time\n"
        "from dinov2.errors import UserError, told_in_one_line\n"
        "from dinov2.launch import in_a_job, own_index\n"
        "with in_a_job(), told_in_one_line():\n" + "".join(f"    {line}\n" for line in body.splitlines())
    )
    return Job("try", "body", (), (root / "params.yaml",), tuple(root / name for name in outputs), indexes)


def run_one(pods: Pods, index: int = 0) -> int:
    pods.start(index)
    return pods.wait(index)


def test_a_pod_works_in_a_workspace_of_its_own_and_leaves_its_outputs_in_the_store(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    job = written(
        root, "pathlib.Path('weights').mkdir()\npathlib.Path('weights/out').write_text('learnt')", ("weights/out",)
    )
    pods = Pods(job, root, tmp_path)
    assert not finished(job, NAME, pods.store)
    assert run_one(pods) == 0, pods.logs()
    assert finished(job, NAME, pods.store)
    bring_back(job, NAME, root, pods.store)
    assert (root / "weights/out").read_text() == "learnt"
    facts = json.loads(pods.store.read(f"jobs/{NAME}/done/0.json"))["facts"]
    assert (facts["nodes"], facts["processes"]) == (1, 1)
    assert facts["seconds"] > 0


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    pods = Pods(written(tmp_path / "checkout", "print('at work')"), tmp_path / "checkout", tmp_path)
    assert run_one(pods) == run_one(pods) == 0
    assert ["at work" in pods.log(0, attempt) for attempt in (0, 1)] == [True, False]


def test_each_index_does_its_own_part(tmp_path: Path) -> None:
    job = written(
        tmp_path / "checkout", "print('part', *own_index(), 'processes', os.environ['DINOV2_LAUNCHER'])", (), 3
    )
    pods = Pods(job, tmp_path / "checkout", tmp_path)
    assert run_one(pods, 2) == 0
    assert "part 2 3 processes local" in pods.log(2)
    assert not finished(job, NAME, pods.store)
    assert run_one(pods, 0) == run_one(pods, 1) == 0
    assert finished(job, NAME, pods.store)


def test_processes_of_one_pod_are_ranks_and_share_out_what_indexes_would(tmp_path: Path) -> None:
    pods = Pods(
        written(tmp_path / "checkout", "print('part', *own_index(), flush=True)"), tmp_path / "checkout", tmp_path, 1, 2
    )
    assert run_one(pods) == 0
    assert {line for line in pods.log(0).splitlines() if line.startswith("part")} == {"part 0 2", "part 1 2"}


@pytest.mark.parametrize(
    ("body", "code", "error"),
    [
        ("raise UserError('the pool is empty')", EXIT_USER_ERROR, "the pool is empty"),
        ("raise ValueError('no such thing')", 1, "ValueError: no such thing"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "killed by SIGKILL"),
    ],
)
def test_the_first_rank_to_fail_gives_exit_code_and_reason(body: str, code: int, error: str, tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    alone = f"if os.environ['RANK'] == '0': time.sleep(60)\n{body}"
    pods = Pods(written(root, alone), root, tmp_path, 1, 2)
    found = run_one(pods)
    (failure,) = failures_in(pods.log(0))
    assert (found, failure.rank, failure.code) == (code if code > 0 else 128 - code, 1, code), pods.logs()
    assert error in failure.error


def test_a_process_that_is_alone_tells_its_failure_too(tmp_path: Path) -> None:
    pods = Pods(
        written(tmp_path / "checkout", "raise ValueError('no such thing')", (), 2), tmp_path / "checkout", tmp_path
    )
    assert run_one(pods, 1) == 1
    (failure,) = failures_in(pods.log(1))
    assert (failure.rank, failure.code) == (1, 1)
    assert failure.error.endswith("ValueError: no such thing\n")


def test_a_pod_whose_store_lacks_an_input_says_so_and_is_not_tried_again(tmp_path: Path) -> None:
    pods = Pods(written(tmp_path / "checkout", "pass"), tmp_path / "checkout", tmp_path)
    pods.store.delete("jobs/blobs")
    assert run_one(pods) == EXIT_USER_ERROR
    (failure,) = failures_in(pods.log(0))
    assert "not there, which should be params.yaml" in failure.error


def test_a_pod_with_other_code_than_its_launcher_refuses_to_work(tmp_path: Path) -> None:
    root = tmp_path / "checkout"
    pods = Pods(written(root, "print('at work')"), root, tmp_path, DINOV2_CODE="0123456789abcdef")
    assert run_one(pods) == EXIT_USER_ERROR
    (failure,) = failures_in(pods.log(0))
    assert failure.error.startswith("image: has other code than who launched the job")
    assert "at work" not in pods.log(0)


def test_an_output_that_was_not_written_is_told(tmp_path: Path) -> None:
    pods = Pods(written(tmp_path / "checkout", "pass", ("out",)), tmp_path / "checkout", tmp_path)
    assert run_one(pods) == 1
    (failure,) = failures_in(pods.log(0))
    assert "out" in failure.error


@pytest.mark.parametrize("processes", [1, 2])
def test_a_pod_that_is_told_to_stop_lets_its_processes_save_and_asks_to_be_started_again(
    processes: int, tmp_path: Path
) -> None:
    body = (
        "def stop(*_):\n    time.sleep(1)\n    print('saved', flush=True)\n    sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    pods = Pods(written(tmp_path / "checkout", body), tmp_path / "checkout", tmp_path, 1, processes)
    pods.start(0)
    deadline = time.monotonic() + 60
    while pods.log(0).count("ready") < processes:
        assert time.monotonic() < deadline, pods.logs()
        time.sleep(0.1)
    pods.running[0].terminate()
    assert pods.wait(0) == EXIT_AGAIN
    assert "saved" in pods.log(0)


def test_processes_do_not_outlive_a_pod_that_is_killed(tmp_path: Path) -> None:
    body = "print('pid', os.getpid(), flush=True)\ntime.sleep(60)"
    pods = Pods(written(tmp_path / "checkout", body), tmp_path / "checkout", tmp_path, 1, 2)
    pods.start(0)
    deadline = time.monotonic() + 60
    while pods.log(0).count("pid") < 2:
        assert time.monotonic() < deadline, pods.logs()
        time.sleep(0.1)
    ranks = [int(line.split()[1]) for line in pods.log(0).splitlines() if line.startswith("pid")]
    pods.running[0].kill()
    psutil.wait_procs([psutil.Process(pid) for pid in ranks if psutil.pid_exists(pid)], timeout=10)
    assert not any(psutil.pid_exists(pid) for pid in ranks)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A workspace that is ready to train on twelve images for some steps."""
    root = tmp_path_factory.mktemp("checkout")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    (root / "pool").mkdir()
    for seed in range(12):
        noise = default_rng(seed).integers(0, 256, (6, 8, 3)).astype("uint8")
        cv2.imwrite(str(root / "pool" / f"{seed}.png"), cv2.resize(noise, (64, 48)))
    content["ingest"] = {"sources": [{"name": "pool", "uri": str(root / "pool"), "role": "pool"}]}
    content["pack"] = {"write": False}
    content["pretrain"]["model"] |= {"embed_dim": 32, "depth": 1, "num_heads": 1}
    content["pretrain"]["heads"] |= {"prototypes": 16, "hidden": 16}
    content["pretrain"] |= {"batch_size": 8, "group_size": 2, "epochs": 4, "epoch_length": 4, "precision": "fp32"}
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    (root / "dvc.yaml").write_text("stages: {}\n")
    settings = Settings(
        store=str(root / "store"),
        tracking=f"sqlite:///{root}/mlflow.db",
        workers=0,
        threads=1,
        processes=4,
        device="cpu",
    )
    context = Context(root, load_params(root), settings)
    ingest.run(context)
    (root / MANIFEST).rename(root / CURATED)
    pack.run(context)
    return context


@pytest.fixture(scope="module")
def undisturbed(checkout: Context) -> dict[str, bytes]:
    """Outputs of a run of the local launcher."""
    job = job_of(checkout, "pretrain")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("store", "tracking", "workers", "threads", "processes", "device"):
            patch.setenv(f"DINOV2_{name.upper()}", str(getattr(checkout.settings, name)))
        launch(job, checkout.settings, checkout.root)
    return {path.name: path.read_bytes() for path in job.outputs}


def checkpoints(store: Store) -> list[str]:
    return [name for name in store.list("training") if name.endswith(".complete")]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("killed", [0, 1])
def test_a_pod_that_is_lost_costs_no_more_than_the_time_since_the_last_checkpoint(
    killed: int, checkout: Context, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    job = job_of(checkout, "pretrain")
    for path in job.outputs:
        path.unlink(missing_ok=True)
    pods = Pods(job, checkout.root, tmp_path, nodes=2, processes=2, DINOV2_CHECKPOINT_SECONDS="0", DINOV2_DEVICE="cpu")
    try:
        pods.start(0)
        pods.start(1)
        deadline = time.monotonic() + MOST_S
        while not checkpoints(pods.store):
            assert time.monotonic() < deadline, pods.logs()
            assert pods.running[0].poll() is None, pods.logs()
            time.sleep(0.05)
        pods.running[killed].kill()
        assert pods.wait(killed) == -signal.SIGKILL
        pods.start(killed)  # while the other does not know yet
        pods.go_on()
        assert finished(job, NAME, pods.store)
        bring_back(job, NAME, checkout.root, pods.store)
    finally:
        pods.stop()
    assert pods.attempts == {0: 1, 1: 1}, pods.logs()
    assert {path.name: path.read_bytes() for path in job.outputs} == undisturbed
