"""A namespace of a real cluster for each test, trivial Jobs in it, and launchers as processes that follow them."""

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dinov2.launch.failure import Failure
from dinov2.launch.kubernetes.client import Cluster
from dinov2.launch.kubernetes.values import Manifest
from tests import lab
from tests.flows.conftest import wait_for

CALLER = """
import json, sys
from dinov2.errors import told_in_one_line
from dinov2.launch import JobFailedError
from dinov2.launch.kubernetes.cancel import cancellable
from dinov2.launch.kubernetes.client import Cluster
from dinov2.launch.kubernetes.follow import Manner, Voice, follow
from dinov2.launch.kubernetes.submit import submit

namespace, manifests, manner, rerun = json.loads(sys.argv[1])
voice, manner = Voice("trial"), Manner(**manner)
name = manifests[-1]["metadata"]["name"]
with told_in_one_line():
    try:
        cluster = Cluster(namespace)
        with cancellable(cluster, name, voice):
            submit(cluster, manifests, lambda: voice.say("prepared"), rerun, voice, manner)
            follow(cluster, name, voice, manner)
    except JobFailedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
"""


@dataclass
class Caller:
    """A process that submits a Job and follows it."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def out(self) -> str:
        """What it has written to standard output."""
        return (self.folder / "out").read_text()

    @property
    def said(self) -> str:
        """What it has written to standard error."""
        return (self.folder / "err").read_text()

    def wait(self, seconds: float = 90) -> int:
        """Its exit code."""
        return self.process.wait(seconds)

    def wait_to_say(self, text: str, seconds: float = 60) -> None:
        """Wait until it has said that, on either."""
        wait_for(lambda: text in self.said + self.out or self.process.poll() is not None, seconds)
        assert text in self.said + self.out, self.said


@dataclass
class Place:
    """A namespace of a cluster."""

    namespace: str
    cluster: Cluster
    folder: Path
    callers: list[Caller] = field(default_factory=list)

    @property
    def core(self) -> Any:
        """The official client, as the cluster's administrator."""
        return self.cluster._core

    def call(
        self, *manifests: Manifest, rerun: bool = False, apart: bool = False, retries: int = 3,
        start_seconds: float = 60, **environment: str,
    ) -> Caller:  # fmt: skip
        """Start a launcher for a Job."""
        manner = {"apart": apart, "retries": retries, "start_seconds": start_seconds}
        told = json.dumps([self.namespace, manifests, manner, rerun])
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-c", CALLER, told], stdout=out, stderr=err, text=True,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])} | environment,
            )  # fmt: skip
        self.callers.append(Caller(process, folder))
        return self.callers[-1]

    def pods(self, job: str, running: bool = False) -> list[Manifest]:
        """Pods of a Job."""
        return [pod for pod in self.cluster.pods(job) if not running or pod["status"]["phase"] == "Running"]

    def nothing_left(self, job: str) -> bool:
        """Whether there is neither Job nor pod nor Service."""
        return not (self.cluster.job(job) or self.cluster.pods(job) or self.cluster.service(job))


@pytest.fixture
def place(cluster: lab.Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    """A namespace of its own, gone after the test with all that is in it."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    name = f"test-{uuid.uuid4().hex[:10]}"
    place = Place(name, Cluster(name), tmp_path)
    place.core.create_namespace({"metadata": {"name": name}})
    yield place
    for caller in place.callers:
        if caller.process.poll() is None:
            caller.process.send_signal(signal.SIGKILL)
            caller.wait()
    place.core.delete_namespace(name, _preload_content=False)


@pytest.fixture
def trial() -> Callable[..., Manifest]:
    """A Job of shell scripts: `trial("name", "exit 1", pods=2)`."""
    return make_job


def make_job(
    name: str, script: str, pods: int = 1, retries: int = 3, container: Manifest | None = None,
    pod: Manifest | None = None, **spec: Any,
) -> Manifest:  # fmt: skip
    """A Job whose pods run a shell script."""
    worker = {"name": "worker", "image": "none", "command": ["sh", "-c", script], **(container or {})}
    template = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5, "containers": [worker], **(pod or {})}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"completions": pods, "parallelism": pods, "completionMode": "Indexed", "backoffLimit": retries}
        | {"template": {"spec": template}} | spec,
    }  # fmt: skip


def failure(rank: int, time: float, error: str) -> str:
    """Shell that leaves a process's failure in the log of its pod."""
    line = Failure(rank=rank, time=time, code=1, error=error).line
    return f"printf '%s\\n' '{line}'"
