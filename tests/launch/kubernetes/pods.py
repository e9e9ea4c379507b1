"""The pods of a job as processes of this machine, which are told what pods are told."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from dinov2.launch import Job
from dinov2.launch.kubernetes.exchange import put
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
