"""What jobs took is noted by who launched them: of one that has run before, nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dinov2.launch import Job, kubernetes
from dinov2.launch.kubernetes.exchange import deliver, fetch
from dinov2.launch.kubernetes.names import job_name
from dinov2.launch.taken import TAKEN, Taken, read
from dinov2.settings import Settings
from dinov2.storage import Store

FACTS = {"began": 0.0, "seconds": 100.0, "nodes": 2, "processes": 8, "gpus": 8}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with the file of jobs."""
    root = tmp_path / "checkout"
    (root / "k8s").mkdir(parents=True)
    (root / "k8s/jobs.yaml").write_text(yaml.safe_dump({"image": "image:1", "stages": {"pretrain": {"gpus": 8}}}))
    (root / "params.yaml").write_text("seed: 0\n")
    (root / "dvc.yaml").write_text("stages: {pretrain: {cmd: 'true'}}\n")
    return root


def pods(job: Job, root: Path, store: Store) -> Callable[..., None]:
    """What stands in for a cluster: the job's pods have done their work when it is followed."""
    name = job_name(job)

    def submit(*given: Any) -> None:
        given[2]()
        pod = root.parent / "pod"
        pod.mkdir()
        own = fetch(name, pod, store)
        own.outputs[0].write_text("weights")
        deliver(own, name, 0, pod, store, FACTS)

    return submit


def test_what_a_job_took_is_noted_once_and_not_when_it_has_run_before(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, notes = Store(str(tmp_path / "store")), tmp_path / "taken.jsonl"
    job = Job("pretrain", "body", (), (), (root / "out",), stage="pretrain", key="0123456789abcdef")
    monkeypatch.setenv(TAKEN, str(notes))
    monkeypatch.setattr(kubernetes, "Cluster", lambda *_: None)
    monkeypatch.setattr(kubernetes, "submit", pods(job, root, store))
    monkeypatch.setattr(kubernetes, "follow", lambda *_: None)
    settings = Settings(store=str(tmp_path / "store"), tracking="http://mlflow:5000", launcher="kubernetes")
    kubernetes.run_on_kubernetes(job, settings, root)
    assert (root / "out").read_text() == "weights"
    (first,) = read(notes)
    assert first == Taken(stage="pretrain", job=job_name(job), seconds=100.0, gpu_seconds=100.0 * 2 * 8)

    kubernetes.run_on_kubernetes(job, settings, root)
    assert [each.gpu_seconds for each in read(notes)] == [1600.0, 0.0]
