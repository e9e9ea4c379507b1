"""A namespace of the cluster, a bucket and an MLflow server over it, and a checkout that works with all three."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.checkouts import ROOT, environment
from tests.lab import Cluster, ObjectStore, free_ports

STARTS_S = 120
SECRET = "dinov2-store"
SMALL = {
    "cpu": "100m", "memory": "1Gi", "shared_memory": "256Mi", "gpus": 0, "secrets": [SECRET], "retries": 3,
    "env": {"DINOV2_THREADS": "1"},
}  # fmt: skip
TRAINING = {"nodes": 2, "processes": 2}
CURATION = {"indexes": 2}
STAGES = {
    **dict.fromkeys(("ingest", "embed", "deduplicate", "retrieve", "pack"), CURATION),
    **dict.fromkeys(("pretrain", "highres", "distill"), TRAINING),
    "evaluate": {},
}


@dataclass
class Mlflow:
    """A server whose artifacts are in a bucket, that can be stopped and started again."""

    folder: Path
    artifacts: str
    keys: dict[str, str]
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        backend = [
            "--backend-store-uri",
            f"sqlite:///{self.folder}/mlflow.db",
            "--artifacts-destination",
            self.artifacts,
        ]
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        with (self.folder / "mlflow.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *backend, *where],
                env=environment(**self.keys, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + STARTS_S
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "mlflow.log").read_text()
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop it as a crash would."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@dataclass(frozen=True)
class Remote:
    """Where a checkout's heavy stages run and what they read.

    Attributes:
        cluster: whose pods run them.
        object_store: with the pool, the store, MLflow's artifacts and the DVC remote.
        mlflow: server.
        launcher: kubeconfig of an account that may do what the launcher's Role allows, and nothing else.
        namespace: of the cluster, with a Secret of the keys to the bucket.
        bucket: URL.
    """

    cluster: Cluster
    object_store: ObjectStore
    mlflow: Mlflow
    launcher: Path
    namespace: str
    bucket: str

    def settings(self, store: str, **more: str) -> dict[str, str]:
        """Environment of the caller, with a store of this name."""
        return {
            "KUBECONFIG": str(self.launcher),
            "DINOV2_LAUNCHER": "kubernetes",
            "DINOV2_STORE": f"{self.bucket}/{store}",
            "DINOV2_TRACKING": self.mlflow.url,
            "DINOV2_THREADS": "1",
            **self.object_store.environment,
            **more,
        }

    def write_jobs(self, root: Path, **stages: dict[str, Any]) -> None:
        """A `k8s/jobs.yaml` of few resources; `stages` changes some."""
        content = {
            "namespace": self.namespace,
            "image": "dinov2:test",
            "defaults": SMALL,
            "stages": {name: own | stages.get(name, {}) for name, own in STAGES.items()},
        }
        (root / "k8s").mkdir(exist_ok=True)
        (root / "k8s/jobs.yaml").write_text(yaml.safe_dump(content))

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What `kubectl` says in the namespace."""
        command = ["kubectl", "--kubeconfig", str(self.cluster.kubeconfig), "--namespace", self.namespace, *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def names(self, kind: str) -> list[str]:
        """Names of what there is of a kind."""
        return self.kubectl("get", kind, "--output", "jsonpath={.items[*].metadata.name}").split()

    def workers(self, host: str) -> list[psutil.Process]:
        """Processes of the pod with this host name: the lab's node runs them on this machine."""
        if not self.cluster.folder:
            pytest.skip("the pods of a cluster that is not the lab's are out of reach")
        found = [each for each in psutil.process_iter() if _hostname(each) == host]
        assert found, f"no process of {host}"
        return found


@contextmanager
def remote_checkout(cluster: Cluster, object_store: ObjectStore, folder: Path) -> Iterator[Remote]:
    """A new namespace and bucket, and a server, for the block."""
    bucket, keys = object_store.bucket(), object_store.environment
    mlflow = Mlflow(folder, f"{bucket}/mlflow", keys)
    remote = Remote(cluster, object_store, mlflow, folder / "kubeconfig", f"test-{uuid.uuid4().hex[:8]}", bucket)
    remote.kubectl("create", "namespace", remote.namespace)
    try:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": keys}
        remote.kubectl("apply", "--filename", "-", given=yaml.safe_dump(secret))
        _make_launcher(remote)
        mlflow.start()
        yield remote
    finally:
        mlflow.stop()
        remote.kubectl("delete", "namespace", remote.namespace, "--wait=false")


def _make_launcher(remote: Remote) -> None:
    """The account that flows work as in the cluster, with the Role of k8s/, and a kubeconfig with its token."""
    remote.kubectl("create", "serviceaccount", "worker")
    for name in ("service-account", "launcher"):
        text = (ROOT / f"k8s/base/jobs/{name}.yaml").read_text()
        own = text.replace("namespace: dinov2-platform", f"namespace: {remote.namespace}")
        remote.kubectl("apply", "--filename", "-", given=own)
    config = yaml.safe_load(remote.cluster.kubeconfig.read_text())
    token = remote.kubectl("create", "token", "worker", "--duration", "3h").strip()
    config["users"] = [{"name": each["name"], "user": {"token": token}} for each in config["users"]]
    remote.launcher.write_text(yaml.safe_dump(config))


def _hostname(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("HOSTNAME", ""))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""
