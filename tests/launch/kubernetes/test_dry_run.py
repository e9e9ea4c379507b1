"""Manifests before a real API server."""

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dinov2.launch.kubernetes.render import Manifest
from tests.lab import Cluster
from tests.launch.kubernetes.cases import CONFIG, JOBS, rendered, written

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
NEWER = ("podFailurePolicy", "podReplacementPolicy", "backoffLimitPerIndex", "maxFailedIndexes")
NEWER += ("suspend", "ttlSecondsAfterFinished")
"""Of a Job's spec; servers older than 1.31 may drop them without a word, and the lab's is 1.20."""

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def kubectl(cluster: Cluster) -> Kubectl:
    """`kubectl(..., given=manifests)` against the cluster."""

    def run(*arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        command = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A new one."""
    name = f"dry-run-{uuid.uuid4().hex[:8]}"
    assert kubectl("create", "namespace", name).returncode == 0
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def dry_run(kubectl: Kubectl, manifest: Manifest) -> "subprocess.CompletedProcess[str]":
    # Without the client's own validation: it is the server that is asked.
    return kubectl("create", "--dry-run=server", "--validate=false", "-o=json", "-f=-", given=written([manifest]))


def lost(sent: Any, kept: Any, path: str = "") -> set[str]:
    """Paths of `sent` that are not in `kept`."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        return {where for key in sent for where in lost(sent[key], kept.get(key), f"{path}.{key}".lstrip("."))}
    if isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        both = enumerate(zip(sent, kept, strict=True))
        return {where for at, (one, other) in both for where in lost(one, other, f"{path}.{at}")}
    return set() if sent == kept else {path}


@pytest.mark.parametrize("name", JOBS)
def test_the_server_takes_every_manifest_as_it_is(kubectl: Kubectl, namespace: str, name: str) -> None:
    for manifest in rendered(name, CONFIG.model_copy(update={"namespace": namespace})):
        done = dry_run(kubectl, manifest)
        assert done.returncode == 0, done.stderr
        assert lost(manifest, json.loads(done.stdout)) <= {f"spec.{key}" for key in NEWER}


def test_nothing_was_made(kubectl: Kubectl, namespace: str) -> None:
    assert json.loads(kubectl("get", "jobs,services", f"--namespace={namespace}", "-o=json").stdout)["items"] == []


def test_the_server_refuses_what_the_schema_cannot_see(kubectl: Kubectl, namespace: str) -> None:
    service, manifest = rendered("several_nodes", CONFIG.model_copy(update={"namespace": namespace}))
    service["metadata"]["name"] = "7-begins-with-a-digit"
    manifest["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["name"] = "nowhere"
    assert "a DNS-1035 label must consist of" in dry_run(kubectl, service).stderr
    assert 'volumeMounts[0].name: Not found: "nowhere"' in dry_run(kubectl, manifest).stderr
