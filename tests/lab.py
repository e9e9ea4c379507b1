"""A Kubernetes cluster and an S3 store for tests: those that the environment names, or the lab's beside the checkout.

A cluster of your own is used when KUBECONFIG is set, an S3 server of your own when AWS_ENDPOINT_URL is.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

LAB = Path(__file__).resolve().parents[2] / "shared" / "lab"
MOST_S = 240
"""The S3 server installs itself the first time."""


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes cluster.

    Attributes:
        kubeconfig: of its administrator.
        folder: of the lab, with the logs and processes of its parts; None when the cluster is the user's.
    """

    kubeconfig: Path
    folder: Path | None


@dataclass(frozen=True)
class ObjectStore:
    """An S3 server.

    Attributes:
        environment: `AWS_*` and `MLFLOW_S3_ENDPOINT_URL`, as clients read them.
        folder: of the lab's server; None when it is the user's.
    """

    environment: dict[str, str]
    folder: Path | None

    def stop(self) -> None:
        """Stop the lab's server; what it stores stays."""
        if not self.folder:
            pytest.skip("an S3 server that is not the lab's is not stopped")
        subprocess.run([LAB / "s3" / "down", self.folder], check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Start it again, where it was."""
        assert self.folder, "only the lab's server may be started"
        port = self.environment["AWS_ENDPOINT_URL"].rpartition(":")[2]
        _up(LAB / "s3" / "up", self.folder, port)

    def bucket(self) -> str:
        """The URL of a new bucket."""
        import boto3

        name = f"test-{uuid.uuid4().hex[:12]}"
        keys = {
            "endpoint_url": self.environment["AWS_ENDPOINT_URL"],
            "aws_access_key_id": self.environment["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": self.environment["AWS_SECRET_ACCESS_KEY"],
            "region_name": self.environment.get("AWS_DEFAULT_REGION", "us-east-1"),
        }
        boto3.client("s3", **keys).create_bucket(Bucket=name)
        return f"s3://{name}"


@contextlib.contextmanager
def running_cluster(folder: Path, gpus: int = 4) -> Iterator[Cluster]:
    """The user's cluster, or the lab's with its state in `folder`; the test is skipped where there is neither."""
    if own := os.environ.get("KUBECONFIG"):
        yield Cluster(Path(own), None)
        return
    if not (LAB / "kubernetes" / "up").is_file():
        pytest.skip(f"no Kubernetes cluster: KUBECONFIG is not set and {LAB} is not there")
    if os.geteuid():
        pytest.skip("no Kubernetes cluster: KUBECONFIG is not set and the lab's needs root")
    apiserver, etcd, kubelet = free_ports(3)
    ports = {"KUBE_PORT": str(apiserver), "ETCD_PORT": str(etcd), "KUBELET_PORT": str(kubelet)}
    told = _up(LAB / "kubernetes" / "up", folder, str(gpus), environment=ports)
    # Its node changes to a container's working directory before it mounts a volume there.
    Path("/workspace").mkdir(exist_ok=True)
    try:
        yield Cluster(Path(told["KUBECONFIG"]), folder)
    finally:
        _down(LAB / "kubernetes" / "down", folder)


@contextlib.contextmanager
def running_object_store(folder: Path) -> Iterator[ObjectStore]:
    """The user's S3 server, or the lab's with its state in `folder`; the test is skipped where there is neither."""
    if "AWS_ENDPOINT_URL" in os.environ:
        own = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "MLFLOW_S3_"))}
        yield ObjectStore(own, None)
        return
    if not (LAB / "s3" / "up").is_file():
        pytest.skip(f"no S3 server: AWS_ENDPOINT_URL is not set and {LAB} is not there")
    told = _up(LAB / "s3" / "up", folder, str(_four_free_ports()))
    try:
        yield ObjectStore(told, folder)
    finally:
        _down(LAB / "s3" / "down", folder)


def _up(script: Path, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    """Start a server and give the environment that it prints.

    What it starts sees this Python first, and no credentials: pods inherit it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DINOV2_", "MLFLOW_"))}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    done = subprocess.run(
        [script, folder, *arguments], env=kept | (environment or {}), cwd=folder, stdout=subprocess.PIPE, text=True,
        timeout=MOST_S, check=True,
    )  # fmt: skip
    words = [word for line in done.stdout.splitlines() for word in line.removeprefix("export ").split()]
    return dict(word.split("=", 1) for word in words)


def _down(script: Path, folder: Path) -> None:
    subprocess.run([script, folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    shutil.rmtree(folder / "bin", ignore_errors=True)  # 200 MB that pytest would keep


def free_ports(count: int) -> list[int]:
    """Ports of this machine on which nothing listens."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _four_free_ports() -> int:
    """The first of four free ports in a row."""
    while True:
        first = free_ports(1)[0]
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, OverflowError):
            for port in range(first, first + 4):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
