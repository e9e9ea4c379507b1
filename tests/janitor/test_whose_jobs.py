"""Whose Jobs are judged, and what keeps one; what a cluster answers is made up here, the rest is real."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from dinov2.errors import UserError
from dinov2.janitor import FINDERS, Search, exchange, jobs
from dinov2.janitor.tidy import Tidied, look
from dinov2.janitor.wanted import Wanted
from dinov2.launch.claims import claim
from dinov2.launch.kubernetes.followed import following
from dinov2.launch.kubernetes.values import Manifest
from dinov2.stages.context import Context
from flows.locks import sole_pipeline
from tests.janitor.conftest import DAY_S, DAYS, age, make_workspace, write


class Answers:
    """A cluster with these Jobs."""

    jobs_there: tuple[Manifest, ...] = ()

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def jobs(self, labels: str) -> list[Manifest]:
        assert labels == jobs.OURS
        return list(self.jobs_there)


def running(name: str, store: str, days: float = 30) -> Manifest:
    """A Job that runs, made so long ago."""
    made = datetime.fromtimestamp(time.time() - days * DAY_S, UTC).isoformat()
    container = {"env": [{"name": "DINOV2_STORE", "value": store}]}
    spec = {"template": {"spec": {"containers": [container]}}}
    return {"metadata": {"name": name, "uid": name, "creationTimestamp": made}, "spec": spec, "status": {}}


@pytest.fixture
def sent(context: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    """A workspace that sent the Job `mine` 30 days ago, by a run whose form said so: its settings say local."""
    write(context.path("k8s/jobs.yaml"), yaml.safe_dump({"image": "none", "stages": {"pretrain": {}}}).encode())
    claim(context.store, "jobs/mine", context.root)
    age(context.path("var/store"), 30)
    assert context.settings.launcher == "local"
    for module in (jobs, exchange):
        monkeypatch.setattr(module, "Cluster", Answers)
    monkeypatch.setattr(Answers, "jobs_there", (running("mine", context.store.url),))
    return context


def told(context: Context, kind: str = "job", wanted: tuple[str, ...] = ()) -> Tidied:
    search = Search(context, DAYS)
    vars(search)["wanted"] = Wanted(frozenset(), frozenset(wanted))
    found = look(search, {kind: FINDERS[kind]})
    assert not found.failures
    return found


def names(found: Tidied) -> list[str]:
    return [each.name for each in found.found]


def test_a_job_that_was_sent_from_here_long_ago_and_that_nobody_asks_for_is_found(sent: Context) -> None:
    assert names(told(sent)) == ["mine"]
    assert names(told(sent, wanted=("mine",))) == []


def test_a_job_that_another_workspace_has_sent_too_or_that_nobody_knows_stays(
    sent: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tuple(running(name, sent.store.url) for name in ("mine", "theirs", "unclaimed", "both"))
    monkeypatch.setattr(Answers, "jobs_there", there)
    other = make_workspace(tmp_path / "other")
    for name, roots in (("theirs", [other.root]), ("both", [other.root, sent.root])):
        for root in roots:
            claim(sent.store, f"jobs/{name}", root)
    age(sent.path("var/store"), 30)
    found = told(sent)
    assert names(found) == ["mine"]
    assert found.notes == ["job: left alone, since other workspaces, or nobody, have a claim to them: 3"]


def test_a_job_that_runs_stays_as_long_as_a_process_follows_it_for_a_clone(sent: Context) -> None:
    """Whatever is asked for now: a pull may have changed what names a run."""
    with following("mine", sent.root / "var/runs/reproduce-s-1"):
        assert names(told(sent)) == []
    assert names(told(sent)) == ["mine"]
    assert not list(sent.path("var/followed").iterdir())


def test_a_job_that_runs_stays_as_long_as_a_pipeline_holds_the_workspace(sent: Context) -> None:
    leftover = told(sent).found[0]
    with sole_pipeline(sent.root, "run"):
        assert names(told(sent)) == []
        with pytest.raises(UserError, match="at work with it now"):
            leftover.remove()


def test_a_job_that_somebody_attached_to_lately_stays(sent: Context, tmp_path: Path) -> None:
    leftover = told(sent).found[0]
    claim(sent.store, "jobs/mine", sent.root)
    assert names(told(sent)) == []
    claim(sent.store, "jobs/mine", make_workspace(tmp_path / "other").root)
    with pytest.raises(UserError, match="another workspace"):
        leftover.remove()


def test_a_workspace_that_sent_nothing_asks_no_cluster(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    for kind in ("job", "job files"):
        assert names(told(context, kind)) == []


def test_files_of_jobs_that_others_sent_stay_with_their_contents(
    sent: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "jobs_there", ())
    other = make_workspace(tmp_path / "other")
    contents = {"0" * 64: "mine", "1" * 64: "theirs"}
    for sha256, name in contents.items():
        spec = {"name": name, "module": "m", "arguments": [], "inputs": {"a": sha256}, "outputs": [], "indexes": 1}
        sent.store.write(f"jobs/{name}/job.json", json.dumps(spec | {"stage": "", "key": "0"}).encode())
        sent.store.write(f"jobs/blobs/{sha256}", b"content")
    claim(sent.store, "jobs/theirs", other.root)
    age(sent.path("var/store"), 30)
    found = told(sent, "job files")
    assert sorted(names(found)) == [f"jobs/blobs/{'0' * 64}", "jobs/mine"]
    assert "in 1 folders" in found.notes[0]
