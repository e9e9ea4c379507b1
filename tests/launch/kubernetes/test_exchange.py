"""Files of a job by way of the store: the same bytes arrive, or nothing does and it is said why."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from dinov2.errors import ConfigError, DataError
from dinov2.launch import Job
from dinov2.launch.kubernetes.exchange import (
    begin,
    begun,
    bring_back,
    code_digest,
    deliver,
    delivered,
    facts,
    fetch,
    finished,
    forget,
    put,
)
from dinov2.storage import Store

NAME = "try-0123456789ab"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job with one input and two outputs, which are not written."""
    root = tmp_path / "checkout"
    (root / "data").mkdir(parents=True)
    (root / "params.yaml").write_text("seed: 0\n")
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "data/rows").write_bytes(bytes(range(256)) * 100)
    outputs = (root / "weights/one", root / "plots/two")
    return Job("try", "body", ("a", "b"), (root / "data/rows",), outputs, stage="pretrain", key="0123")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "checkout"


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """The empty folder of a pod."""
    (tmp_path / "pod").mkdir()
    return tmp_path / "pod"


def done(store: Store, pod: Path) -> Job:
    """The job as the pod has it, its outputs written and delivered."""
    own = fetch(NAME, pod, store)
    for path in own.outputs:
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.name)
    deliver(own, NAME, 0, pod, store, {"seconds": 1.0})
    return own


def test_a_pod_gets_the_job_and_every_file_as_it_was(job: Job, store: Store, root: Path, pod: Path) -> None:
    put(job, NAME, root, store)
    own = fetch(NAME, pod, store)
    names = ["data/rows", "dvc.yaml", "params.yaml"]
    assert sorted(str(path.relative_to(pod)) for path in pod.rglob("*") if path.is_file()) == names
    assert all((pod / name).read_bytes() == (root / name).read_bytes() for name in names)
    assert [path.relative_to(pod) for path in own.outputs] == [path.relative_to(root) for path in job.outputs]
    for part in ("name", "module", "arguments", "indexes", "stage", "key"):
        assert getattr(own, part) == getattr(job, part)


def test_files_are_sent_once_whatever_jobs_they_are_of(
    job: Job, store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(job, NAME, root, store)
    sent: list[str] = []
    monkeypatch.setattr(Store, "upload", lambda _, path, *__: sent.append(path.name))
    put(job, "other-0123456789ab", root, store)
    assert not sent
    (root / "data/rows").write_text("others")
    put(job, "other-0123456789ab", root, store)
    assert sent == ["rows"]


def test_outputs_come_back_when_all_have_been_delivered(job: Job, store: Store, root: Path, pod: Path) -> None:
    put(job, NAME, root, store)
    assert not finished(job, NAME, store)
    assert not delivered(NAME, 0, store)
    done(store, pod)
    assert finished(job, NAME, store)
    assert delivered(NAME, 0, store)
    bring_back(job, NAME, root, store)
    assert [path.read_text() for path in job.outputs] == ["one", "two"]


def test_a_job_of_several_indexes_is_finished_with_the_last(store: Store, root: Path, job: Job) -> None:
    shares = Job("shares", "body", (), job.inputs, (), indexes=3)
    put(shares, NAME, root, store)
    for index in (2, 0):
        deliver(shares, NAME, index, root, store, {})
        assert not finished(shares, NAME, store)
    deliver(shares, NAME, 1, root, store, {})
    assert finished(shares, NAME, store)
    bring_back(shares, NAME, root, store)


def test_nothing_comes_back_where_one_file_is_damaged(job: Job, store: Store, root: Path, pod: Path) -> None:
    put(job, NAME, root, store)
    done(store, pod)
    store.write(f"jobs/blobs/{hashlib.sha256(b'two').hexdigest()}", b"twO")
    with pytest.raises(DataError, match="damaged: its SHA-256 is"):
        bring_back(job, NAME, root, store)
    assert not any(path.exists() for path in job.outputs)
    assert not finished(job, NAME, store), "what is damaged is as good as not there"


def test_pods_write_nothing_but_the_outputs_of_their_job(job: Job, store: Store, root: Path, pod: Path) -> None:
    put(job, NAME, root, store)
    own = done(store, pod)
    deliver(replace(own, outputs=(*own.outputs, pod / "dvc.yaml")), NAME, 0, pod, store, {})
    with pytest.raises(DataError, match=r"the job was not to write dvc\.yaml"):
        bring_back(job, NAME, root, store)
    assert not any(path.exists() for path in job.outputs)


def test_a_damaged_input_is_told_and_sent_again(job: Job, store: Store, root: Path, pod: Path) -> None:
    put(job, NAME, root, store)
    store.write(f"jobs/blobs/{hashlib.sha256(b'seed: 0' + bytes([10])).hexdigest()}", b"seed: 1\n")
    with pytest.raises(DataError, match="damaged: its SHA-256 is"):
        fetch(NAME, pod, store)
    put(job, NAME, root, store)
    fetch(NAME, pod, store)
    assert (pod / "params.yaml").read_text() == "seed: 0\n"


def test_a_job_that_the_store_does_not_have_is_told(store: Store, pod: Path) -> None:
    with pytest.raises(DataError, match=r"job\.json: not there; is this the store of who launched it\?"):
        fetch(NAME, pod, store)


def test_a_file_that_is_not_in_the_workspace_is_refused(store: Store, root: Path, tmp_path: Path) -> None:
    root.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).write_text("{}")
    (tmp_path / "elsewhere").write_text("given")
    with pytest.raises(
        ConfigError, match=r"elsewhere: not in .*checkout: jobs on a cluster are given files of the works"
    ):
        put(Job("try", "body", (), (tmp_path / "elsewhere",), ()), NAME, root, store)
    assert not store.exists(f"jobs/{NAME}/job.json")


def test_a_name_that_leads_out_of_the_workspace_is_not_followed(job: Job, store: Store, root: Path, pod: Path) -> None:
    put(job, NAME, root, store)
    spec = store.read(f"jobs/{NAME}/job.json").replace(b"data/rows", b"../rows")
    store.write(f"jobs/{NAME}/job.json", spec)
    with pytest.raises(DataError, match="leads out of the workspace"):
        fetch(NAME, pod, store)


def test_what_is_forgotten_is_run_again_and_pods_that_begin_find_their_files(
    job: Job, store: Store, root: Path, pod: Path
) -> None:
    put(job, NAME, root, store)
    done(store, pod)
    forget(NAME, store)
    assert not finished(job, NAME, store)
    assert fetch(NAME, pod, store).name == job.name


def test_each_beginning_is_another(store: Store) -> None:
    assert begun(NAME, store) == ""
    begin(NAME, store)
    before = begun(NAME, store)
    assert begun(NAME, store) == before
    begin(NAME, store)
    assert begun(NAME, store) not in ("", before)


def test_the_code_has_a_name() -> None:
    assert code_digest() == code_digest()
    assert len(code_digest()) == 16


def test_how_indexes_ran_is_known_of_those_that_have_delivered(job: Job, store: Store, root: Path, pod: Path) -> None:
    apart = replace(job, indexes=3)
    put(apart, NAME, root, store)
    own = done(store, pod)
    deliver(own, NAME, 2, pod, store, {"seconds": 2.5, "gpus": 1})
    assert facts(apart, NAME, store) == [{"seconds": 1.0}, {"seconds": 2.5, "gpus": 1}]
