"""What runs in a pod, in a process of this machine that is told what pods are told."""

import json
import time
from pathlib import Path

import psutil
import pytest

from dinov2.errors import EXIT_AGAIN, EXIT_USER_ERROR
from dinov2.launch import Job
from dinov2.launch.failure import failures_in
from dinov2.launch.kubernetes.exchange import bring_back, finished
from tests.launch.kubernetes.pods import NAME, Pods


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
