"""Jobs are made once: whoever comes second attaches, and one that failed is replaced for a reason."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from dinov2.launch.kubernetes.values import Manifest
from tests.flows.conftest import wait_for
from tests.launch.kubernetes.conftest import Place, failure, make_job

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "once"}, "spec": {"clusterIP": "None"}}
SERVICE["spec"] |= {"selector": {"job-name": "once"}, "ports": [{"port": 29500}]}  # type: ignore[operator]


def waiting(folder: Path, **more: Any) -> Manifest:
    """A Job that notes each start of a pod in the file `began`, and ends when there is a file `go`."""
    return make_job("once", f"echo begun >> {folder}/began; until test -e {folder}/go; do sleep 0.1; done", **more)


def began(folder: Path) -> int:
    """How many of its pods have begun."""
    return len((folder / "began").read_text().split()) if (folder / "began").exists() else 0


def test_a_killed_caller_leaves_the_job_and_the_next_attaches(place: Place, tmp_path: Path) -> None:
    job = waiting(tmp_path, pods=2)
    killed = place.call(SERVICE, job)
    wait_for(lambda: began(tmp_path) == 2)
    killed.process.send_signal(signal.SIGKILL)
    killed.wait()
    (one, other) = (place.call(SERVICE, job) for _ in range(2))
    for caller in (one, other):
        caller.wait_to_say("trial: attached to Job once")
        caller.wait_to_say("trial: running: 2 pods on ")
        assert "prepared" not in caller.said
    (tmp_path / "go").touch()
    assert (one.wait(), other.wait()) == (0, 0)
    assert began(tmp_path) == 2, "nothing was launched twice"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_cancelling_leaves_no_job_no_pod_and_no_service(place: Place, tmp_path: Path, number: signal.Signals) -> None:
    caller = place.call(SERVICE, waiting(tmp_path, pods=2))
    wait_for(lambda: began(tmp_path) == 2)
    wait_for(lambda: place.cluster.service("once"))
    caller.process.send_signal(number)
    assert caller.wait() == 1
    assert place.nothing_left("once")
    assert "trial: cancelled: Job once is deleted" in caller.said
    assert caller.said.endswith("error: trial: cancelled, Job once deleted; nothing is left of it\n")


def test_a_caller_whose_own_caller_was_killed_leaves_the_job(place: Place, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as flow:
        caller = place.call(waiting(tmp_path), DINOV2_CALLER=str(flow.pid))
        wait_for(lambda: began(tmp_path) == 1)
        flow.kill()
        wait_for(lambda: psutil.Process(flow.pid).status() == psutil.STATUS_ZOMBIE)
        caller.process.terminate()
        assert caller.wait() == 1
    assert "who asked for it has died; Job once is left running" in caller.said
    assert place.pods("once", running=True)


def test_a_caller_whose_own_caller_lives_cancels(place: Place, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "600"]) as flow:
        caller = place.call(waiting(tmp_path), DINOV2_CALLER=str(flow.pid))
        wait_for(lambda: began(tmp_path) == 1)
        caller.process.terminate()
        assert caller.wait() == 1
        flow.kill()
    assert place.nothing_left("once")


def test_a_failed_job_is_run_again_only_for_a_reason(place: Place, tmp_path: Path) -> None:
    script = f"echo begun >> {tmp_path}/began; {failure(0, 1.0, 'ValueError: the loss is nan')}; exit 1"
    job = make_job("once", script, retries=0)
    job["metadata"]["annotations"] = {"dinov2.io/code": "first"}
    assert place.call(SERVICE, job).wait() == 1
    assert began(tmp_path) == 1

    refused = place.call(SERVICE, job)
    assert refused.wait() == 1
    assert "first failing rank 0 (pod 0 on " in refused.said
    assert "ValueError: the loss is nan" in refused.said
    assert refused.said.endswith("fix it and run again with DINOV2_RERUN=1\n")
    assert began(tmp_path) == 1

    reasons: list[tuple[dict[str, Any], Manifest, str]] = [
        ({"rerun": True}, job, "on request"),
        ({}, job | {"metadata": job["metadata"] | {"annotations": {"dinov2.io/code": "next"}}}, "the code has changed"),
    ]
    for count, (how, changed, why) in enumerate(reasons, start=2):
        caller = place.call(SERVICE, changed, **how)
        assert caller.wait() == 1
        assert f"trial: Job once has failed before; it is replaced: {why}\n" in caller.said
        assert "trial: created Job once" in caller.said
        assert began(tmp_path) == count
    service, owner = place.cluster.service("once"), place.cluster.job("once")
    assert service
    assert owner
    assert service["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]


def test_a_complete_job_whose_outputs_are_wanted_again_is_replaced(place: Place, tmp_path: Path) -> None:
    job = make_job("once", f"echo begun >> {tmp_path}/began")
    assert place.call(job).wait() == 0
    again = place.call(job)
    assert again.wait() == 0
    assert "Job once is complete, but its outputs are to be made again; it is replaced" in again.said
    assert began(tmp_path) == 2
