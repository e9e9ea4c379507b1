"""Jobs on a real cluster, and their files in a real store."""

import time

import pytest
import yaml

from dinov2.janitor import FINDERS, Leftover, Search
from dinov2.janitor.tidy import look
from dinov2.janitor.wanted import Wanted
from dinov2.launch import Job
from dinov2.launch.claims import claim
from dinov2.launch.kubernetes.exchange import deliver, put
from dinov2.launch.kubernetes.values import Manifest
from dinov2.settings import Settings
from dinov2.stages.context import Context
from tests.flows.conftest import wait_for
from tests.janitor.conftest import DAY_S, write
from tests.launch.kubernetes.conftest import Place, make_job, place

__all__ = ["place"]
pytestmark = [pytest.mark.cluster, pytest.mark.slow]

LABELS = {"app.kubernetes.io/managed-by": "dinov2"}


def ours(name: str, script: str, store: str) -> Manifest:
    """A Job as the launcher labels it, whose pods are told of a store."""
    job = make_job(name, script, container={"env": [{"name": "DINOV2_STORE", "value": store}]})
    job["metadata"]["labels"] = LABELS
    return job


@pytest.fixture
def launching(context: Context, place: Place) -> Context:
    """The workspace of someone who launches jobs in this namespace."""
    jobs = {"namespace": place.namespace, "image": "none", "stages": {"pretrain": {}}}
    write(context.path("k8s/jobs.yaml"), yaml.safe_dump(jobs).encode())
    store = str(context.path("var/store"))
    return Context(context.root, context.params, Settings(launcher="kubernetes", store=store))


def found(context: Context, kind: str, after_days: float, wanted: set[str]) -> dict[str, Leftover]:
    """Leftovers of a kind that is 10 days old at least, so many days from now."""
    search = Search(context, 10, now=time.time() + after_days * DAY_S)
    vars(search)["wanted"] = Wanted(frozenset(), frozenset(wanted))
    told = look(search, {kind: FINDERS[kind]})
    assert not told.failures
    return {each.name: each for each in told.found}


def test_jobs_that_are_over_and_orphans_go_and_no_others(launching: Context, place: Place) -> None:
    store = launching.store.url
    assert place.cluster.create(ours("over", "exit 0", store))
    assert place.cluster.create(ours("orphan", "sleep 600", store))
    assert place.cluster.create(ours("asked-for", "sleep 600", store))
    assert place.cluster.create(ours("theirs", "exit 0", "s3://other/store"))
    assert place.cluster.create(make_job("strange", "exit 0"))
    assert place.cluster.create(ours("another", "exit 0", store))
    for name in ("over", "orphan", "asked-for", "theirs", "strange"):
        claim(launching.store, f"jobs/{name}", launching.root)
    wait_for(lambda: (place.cluster.job("over") or {})["status"].get("succeeded"), 90)
    wait_for(lambda: place.pods("orphan", running=True), 90)

    assert not found(launching, "job", after_days=9, wanted=set()), "nothing recent"
    leftovers = found(launching, "job", after_days=11, wanted={"asked-for"})
    assert set(leftovers) == {"over", "orphan"}
    assert leftovers["over"].why == "complete for 11 days"
    assert leftovers["orphan"].why == "runs, made 11 days ago, and no run here asks for it"
    for each in leftovers.values():
        each.remove()
    wait_for(lambda: all(place.nothing_left(name) for name in leftovers), 60)
    assert all(place.cluster.job(name) for name in ("asked-for", "theirs", "strange", "another"))


def test_files_of_jobs_go_with_their_contents_once_nobody_asks_for_them(launching: Context, place: Place) -> None:
    root, store = launching.root, launching.store
    shared, only = write(root / "shared", b"shared"), write(root / "only", b"only")
    jobs = {
        name: Job(name, "module", (), (shared, *more), (root / f"{name}.out",), key="0123456789ab")
        for name, more in (("gone", (only,)), ("there", ()), ("wanted", ()))
    }
    for name, job in jobs.items():
        claim(store, f"jobs/{name}", root)
        put(job, name, root, store)
        write(root / f"{name}.out", name.encode())
        deliver(job, name, 0, root, store, {})
    assert place.cluster.create(ours("there", "exit 0", store.url))

    assert not found(launching, "job files", after_days=9, wanted={"wanted"})
    leftovers = found(launching, "job files", after_days=11, wanted={"wanted"})
    contents = [name for name in leftovers if name.startswith("jobs/blobs/")]
    assert set(leftovers) - set(contents) == {"jobs/gone"}
    assert len(contents) == 2, "what it alone read, and what it wrote"
    for each in leftovers.values():
        each.remove()
    assert [name for name in store.list("jobs") if name.endswith("job.json")] == [
        "jobs/there/job.json", "jobs/wanted/job.json",
    ]  # fmt: skip
    left = {store.read(name) for name in store.list("jobs/blobs")}
    assert {b"shared", b"there", b"wanted"} <= left
    assert not {b"only", b"gone"} & left
