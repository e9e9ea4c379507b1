"""What a caller sees of a Job on a real cluster, and what comes of whatever happens to it."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from dinov2.progress import Told, read
from tests import lab
from tests.flows.conftest import wait_for
from tests.launch.kubernetes.conftest import Place, failure, make_job
from tests.launch.kubernetes.proxy import wire
from tests.launch.kubernetes.test_client import other_config, port_of

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

TRACEBACK = 'Traceback (most recent call last):\n  File "loop.py", line 7, in train\nValueError: the loss is nan'


def test_a_log_comes_whole_and_once_however_often_the_connection_breaks(
    place: Place, cluster: lab.Cluster, tmp_path: Path
) -> None:
    script = "for i in $(seq 1000); do echo line $i; sleep 0.006; done; seq -f 'tail %g' 5000; printf 'no end'"
    with wire(port_of(cluster.kubeconfig)) as line:
        path = other_config(tmp_path, cluster.kubeconfig, server=f"https://127.0.0.1:{line.port}")
        caller = place.call(make_job("long", script), KUBECONFIG=str(path))
        caller.wait_to_say("line 1\n")
        while caller.process.poll() is None:
            line.cut()
            time.sleep(0.7)
        assert caller.wait() == 0, caller.said
        assert line.connections > 5
    lines = [*(f"line {i}" for i in range(1, 1001)), *(f"tail {i}" for i in range(1, 5001)), "no end"]
    assert caller.out.splitlines() == lines
    assert caller.said.count("trial: running: 1 pod on ") == 1, "a phase is told when it changes"


def test_progress_of_pods_together_and_apart_is_told_where_the_caller_says(place: Place, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    line = "pretrain: 180/800 steps, 5.0/s, 2:04 left, loss 2.5"
    until = f"until test -e {tmp_path}/go; do sleep 0.1; done"
    caller = place.call(make_job("steps", f"echo '{line}'; {until}"), DINOV2_PROGRESS=str(told))
    wait_for(lambda: read(told) == Told(line, 180, 800))
    (tmp_path / "go").touch()
    assert caller.wait() == 0, caller.said
    (tmp_path / "go").unlink()
    script = f"test $JOB_COMPLETION_INDEX = 0 || {{ {until}; }}"
    caller = place.call(make_job("parts", script, pods=2, retries=9), apart=True, DINOV2_PROGRESS=str(told))
    wait_for(lambda: read(told) == Told("trial: 1 of 2 indexes done", 1, 2))
    (tmp_path / "go").touch()
    assert caller.wait() == 0, caller.said


def test_too_many_gpus_are_told_in_the_schedulers_words_and_fail_at_the_deadline(place: Place) -> None:
    container = {"resources": {"limits": {"nvidia.com/gpu": "1000"}}}
    caller = place.call(make_job("greedy", "true", container=container, activeDeadlineSeconds=8))
    caller.wait_to_say("Insufficient nvidia.com/gpu", seconds=15)
    assert "trial: unschedulable: 0/1 nodes are available" in caller.said
    assert caller.wait() == 1
    last = caller.said.splitlines()[-1]
    assert last.startswith("error: trial: not done within its deadline of 8 s; at last: unschedulable: 0/")
    assert "Insufficient nvidia.com/gpu" in last


def test_a_wrong_image_is_told_at_once_and_ends_the_launch(place: Place) -> None:
    """The lab's node has no images: a node of the test's own says what a kubelet says."""
    name = f"node-of-{place.namespace}"
    capacity = {"cpu": "1", "memory": "1Gi", "pods": "10"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}
    place.core.create_node({"metadata": {"name": name, "labels": {"image": "wrong"}}}, _preload_content=False)
    status = {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}
    place.core.patch_node_status(name, {"status": status}, _preload_content=False)
    try:
        everything = [{"operator": "Exists"}]
        pod = {"nodeSelector": {"image": "wrong"}, "tolerations": everything}
        caller = place.call(make_job("wrong", "true", pod=pod), start_seconds=3)
        wait_for(lambda: [pod for pod in place.pods("wrong") if pod["spec"].get("nodeName") == name])
        made = place.pods("wrong")[0]["metadata"]["name"]
        why = 'rpc error: failed to pull and unpack image "no.such/image:1": not found'
        waiting = {"waiting": {"reason": "ErrImagePull", "message": why}}
        container = {"name": "worker", "image": "none", "imageID": "", "ready": False, "restartCount": 0}
        told = {"status": {"phase": "Pending", "containerStatuses": [container | {"state": waiting}]}}
        place.core.patch_namespaced_pod_status(made, place.namespace, told, _preload_content=False)
        caller.wait_to_say(f"trial: pod 0 on {name} cannot start: ErrImagePull: {why}\n", seconds=10)
        assert caller.wait(30) == 2
        assert caller.said.endswith(f"trial: it could not start for 3 s (start_seconds): ErrImagePull: {why}\n")
        now = {"gracePeriodSeconds": 0}
        place.core.delete_namespaced_pod(made, place.namespace, body=now, _preload_content=False)
        wait_for(lambda: place.nothing_left("wrong"))
    finally:
        place.core.delete_node(name, _preload_content=False)


def test_a_missing_secret_is_told_in_one_line_and_ends_the_launch(place: Place) -> None:
    container = {"envFrom": [{"secretRef": {"name": "s3-keys"}}]}
    caller = place.call(make_job("bare", "true", container=container), start_seconds=3)
    caller.wait_to_say('could not start: secrets "s3-keys" not found\n', seconds=15)
    assert caller.wait() == 2
    assert caller.said.endswith(': secrets "s3-keys" not found\n')
    wait_for(lambda: place.nothing_left("bare"))


def test_a_mistake_of_the_user_ends_the_job_at_once(place: Place) -> None:
    mistake = "echo 'error: params.yaml: sed: no such parameter'; exit 2"
    caller = place.call(make_job("mistaken", f"test $JOB_COMPLETION_INDEX = 0 && sleep 600; {mistake}", pods=2))
    assert caller.wait() == 2
    assert "trial: pod 1: error: params.yaml: sed: no such parameter\n" in caller.said
    assert caller.said.endswith("trial: Job mistaken is deleted\nerror: trial: stopped by the error above\n")
    wait_for(lambda: place.nothing_left("mistaken"))


def test_a_pod_that_is_killed_and_one_that_is_deleted_are_replaced_and_told(place: Place, tmp_path: Path) -> None:
    me = f"{tmp_path}/$JOB_COMPLETION_INDEX"
    script = f"echo $$ >> {me}; echo begun; until test -e {tmp_path}/go; do sleep 0.1; done; echo ended"
    caller = place.call(make_job("tough", script, pods=2, retries=6))
    caller.wait_to_say("trial: running: 2 pods on ")
    os.kill(int((tmp_path / "1").read_text()), signal.SIGKILL)
    caller.wait_to_say("worker ended with exit code 137 (killed by SIGKILL: by hand, or out of memory)\n")
    caller.wait_to_say("trial: retry 1 of 6: pod 1 starts again\n")
    wait_for(lambda: len(place.pods("tough", running=True)) == 2)
    first = next(pod["metadata"]["name"] for pod in place.pods("tough", running=True))
    place.core.delete_namespaced_pod(first, place.namespace, _preload_content=False)
    caller.wait_to_say("trial: retry 2 of 6: pod ")
    wait_for(lambda: len(place.pods("tough", running=True)) == 2)
    (tmp_path / "go").touch()
    assert caller.wait() == 0, caller.said
    assert caller.out.splitlines()[-1] == "ended"
    assert sum(len((tmp_path / index).read_text().split()) for index in "01") == 4


def test_a_job_that_always_fails_ends_with_the_traceback_of_the_first_failing_rank(place: Place) -> None:
    lost = failure(0, 20.0, "Traceback\ntorch.distributed.DistNetworkError: connection reset")
    caused = failure(3, 10.0, TRACEBACK)
    script = f"echo working; test $JOB_COMPLETION_INDEX = 0 && {lost} || {caused}; exit 1"
    caller = place.call(make_job("hopeless", script, pods=2, retries=1))
    assert caller.wait() == 1
    assert caller.out.splitlines()[0] == "working"
    assert "dinov2-failure" not in caller.out
    assert "trial: rank 3: ValueError: the loss is nan\n" in caller.said
    assert "trial: rank 0: torch.distributed.DistNetworkError: connection reset\n" in caller.said
    error = caller.said[caller.said.index("error: ") :]
    assert "failed for good after" in error
    assert "first failing rank 3 (pod 1 on " in error
    assert error.endswith(f"{TRACEBACK}\n")


def test_an_index_that_fails_twice_is_run_again_alone(place: Place, tmp_path: Path) -> None:
    runs = f"{tmp_path}/$JOB_COMPLETION_INDEX"
    fails = f"test $JOB_COMPLETION_INDEX = 1 && test $(wc -l < {runs}) -lt 3"
    script = f"echo run >> {runs}; {fails} && echo no disk && sleep 4 && exit 5"
    caller = place.call(make_job("shards", f"{script}; sleep 4", pods=3, retries=9), apart=True, retries=3)
    assert caller.wait(120) == 0, caller.said
    assert [len((tmp_path / index).read_text().split()) for index in "012"] == [1, 3, 1]
    for line in ("index 1: no disk", "retry 1 of 3: index 1 starts again", "retry 2 of 3: index 1 starts again"):
        assert f"trial: {line}\n" in caller.said
    assert "of 3 indexes done\ntrial: " in caller.said, "progress is told on the way"
    assert caller.said.endswith("trial: complete, 3 of 3 indexes done\n")


def test_a_job_that_somebody_deletes_is_told_as_such(place: Place) -> None:
    caller = place.call(make_job("taken", "sleep 600"))
    caller.wait_to_say("trial: running")
    place.cluster.delete("Job", "taken")
    assert caller.wait() == 1
    assert caller.said.endswith("error: trial: Job taken was deleted by somebody else\n")


def test_an_outage_of_the_api_server_does_not_end_the_following(
    place: Place, cluster: lab.Cluster, tmp_path: Path
) -> None:
    with wire(port_of(cluster.kubeconfig)) as line:
        path = other_config(tmp_path, cluster.kubeconfig, server=f"https://127.0.0.1:{line.port}")
        caller = place.call(make_job("alone", "sleep 600"), KUBECONFIG=str(path))
        caller.wait_to_say("trial: running")
        line.refuse()
        threading.Event().wait(3)
        line.refuse(False)
        place.cluster.delete("Job", "alone")
        assert caller.wait() == 1
        assert caller.said.endswith("was deleted by somebody else\n"), "it went on looking"
