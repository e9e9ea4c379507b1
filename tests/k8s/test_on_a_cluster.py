"""On a real API server, in namespaces of their own: what it says to every object, and what the launcher may do."""

import copy
import itertools
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from k8s.check.render import Manifest, title
from tests.k8s.test_launcher_role import NEEDED
from tests.lab import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

DRY_RUN = ("apply", "--dry-run=server", "--server-side", "-f", "-")
"""Applied by the server, which refuses a field that it does not know."""
EVERYTHING = {"create", "get", "list", "watch", "update", "patch", "delete", "deletecollection"}
RESOURCES = [
    *itertools.product(
        [""], ["pods", "pods/log", "pods/exec", "pods/eviction", "pods/portforward", "services", "events"]
    ),
    *itertools.product(
        [""], ["secrets", "configmaps", "serviceaccounts", "serviceaccounts/token", "nodes", "namespaces"]
    ),
    *itertools.product([""], ["persistentvolumeclaims", "endpoints"]),
    *itertools.product(["batch"], ["jobs", "jobs/status", "cronjobs"]),
    *itertools.product(["apps"], ["deployments", "statefulsets", "daemonsets", "replicasets"]),
    *itertools.product(["networking.k8s.io"], ["networkpolicies", "ingresses"]),
    *itertools.product(["rbac.authorization.k8s.io"], ["roles", "rolebindings", "clusterroles", "clusterrolebindings"]),
]


@dataclass(frozen=True)
class Namespaces:
    """Two namespaces of a test's own, in place of the platform's and of its jobs'."""

    cluster: Cluster
    names: dict[str, str]

    def moved(self, manifest: Manifest) -> Manifest:
        """The object as it would be in them."""
        moved = copy.deepcopy(manifest)
        metadata = moved["metadata"]
        if "namespace" in metadata:
            metadata["namespace"] = self.names[metadata["namespace"]]
        elif moved["kind"] == "Namespace":
            metadata["name"] = self.names[metadata["name"]]
        for subject in moved.get("subjects", []):
            subject["namespace"] = self.names[subject["namespace"]]
        return moved

    def kubectl(self, *arguments: str, given: list[Manifest] | None = None) -> subprocess.CompletedProcess[str]:
        """What kubectl says."""
        environment = os.environ | {"KUBECONFIG": str(self.cluster.kubeconfig)}
        text = yaml.safe_dump_all(given or [])
        return subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True, env=environment)

    def may(self, account: str, namespace: str, group: str, resource: str, verb: str) -> bool:
        """What the API server answers a service account of the platform that asks whether it may."""
        from kubernetes import client, config

        configuration = client.Configuration()
        config.load_kube_config(str(self.cluster.kubeconfig), client_configuration=configuration)
        api = client.ApiClient(configuration)
        api.set_default_header("Impersonate-User", f"system:serviceaccount:{account}")
        kind, _, part = resource.partition("/")
        asked = {"namespace": namespace, "group": group, "resource": kind, "subresource": part, "verb": verb}
        review: Any = client.AuthorizationV1Api(api).create_self_subject_access_review(
            {"spec": {"resourceAttributes": asked}}
        )
        return bool(review.status.allowed)


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster) -> Iterator[Namespaces]:
    own = f"check-{uuid.uuid4().hex[:8]}"
    made = Namespaces(cluster, {"dinov2": f"{own}-jobs", "dinov2-platform": f"{own}-platform"})
    for name in made.names.values():
        assert made.kubectl("create", "namespace", name).returncode == 0
    yield made
    made.kubectl("delete", "namespace", "--wait=false", *made.names.values())


def test_the_api_server_accepts_everything(namespaces: Namespaces, rendered: dict[str, list[Manifest]]) -> None:
    """A server before 1.21 has PodDisruptionBudgets as v1beta1, and none has Kueue's kinds unless Kueue is there."""
    served = namespaces.kubectl("api-versions").stdout.split()
    sent = {}
    for manifest in [m for manifests in rendered.values() for m in manifests]:
        moved = namespaces.moved(manifest)
        if moved["apiVersion"] == "policy/v1" not in served:
            moved["apiVersion"] = "policy/v1beta1"
            del moved["spec"]["unhealthyPodEvictionPolicy"]
        if moved["apiVersion"].startswith("kueue.x-k8s.io/") and moved["apiVersion"] not in served:
            continue
        sent[yaml.safe_dump(moved)] = moved
    done = namespaces.kubectl(*DRY_RUN, given=list(sent.values()))
    assert (done.returncode, done.stderr) == (0, "")
    accepted = [line for line in done.stdout.splitlines() if line.endswith("serverside-applied (server dry run)")]
    assert len(accepted) == len(sent)
    kinds = {title(m).split()[0] for m in sent.values()}
    everything = {m["kind"] for manifests in rendered.values() for m in manifests}
    assert everything - kinds <= {"ResourceFlavor", "ClusterQueue", "LocalQueue"}


def test_the_api_server_refuses_what_it_should(namespaces: Namespaces, rendered: dict[str, list[Manifest]]) -> None:
    (worker,) = [
        namespaces.moved(m) for m in rendered["dev"] if (m["kind"], m["metadata"]["name"]) == ("Deployment", "worker")
    ]
    worker["spec"]["template"]["metadata"]["labels"] = {"app.kubernetes.io/name": "somebody"}
    done = namespaces.kubectl(*DRY_RUN, given=[worker])
    assert done.returncode
    assert "selector" in done.stderr


@pytest.fixture(scope="module")
def bound(namespaces: Namespaces, rendered: dict[str, list[Manifest]]) -> Namespaces:
    """The namespaces with the Role and its binding in them."""
    kinds = {"ServiceAccount", "Role", "RoleBinding"}
    done = namespaces.kubectl(
        "apply", "-f", "-", given=[namespaces.moved(m) for m in rendered["prod"] if m["kind"] in kinds]
    )
    assert (done.returncode, done.stderr) == (0, "")
    return namespaces


def test_the_launcher_may_do_what_it_does_among_the_jobs_and_nothing_else(bound: Namespaces) -> None:
    jobs, platform = bound.names["dinov2"], bound.names["dinov2-platform"]
    asked = {(group, resource, verb) for group, resource in RESOURCES for verb in EVERYTHING} | NEEDED
    may = {question for question in asked if bound.may(f"{platform}:worker", jobs, *question)}
    assert may == NEEDED


def test_the_launcher_may_do_nothing_elsewhere(bound: Namespaces) -> None:
    for namespace in (bound.names["dinov2-platform"], "kube-system", "default", ""):
        worker = f"{bound.names['dinov2-platform']}:worker"
        assert [q for q in NEEDED | {("", "secrets", "get")} if bound.may(worker, namespace, *q)] == []


def test_no_other_account_may_do_anything(bound: Namespaces, rendered: dict[str, list[Manifest]]) -> None:
    accounts = {
        f"{bound.names[m['metadata']['namespace']]}:{m['metadata']['name']}"
        for m in rendered["prod"]
        if m["kind"] == "ServiceAccount" and m["metadata"]["name"] != "worker"
    }
    assert len(accounts) == 5
    for account, namespace in itertools.product(accounts, bound.names.values()):
        asked = [*NEEDED, ("", "secrets", "get"), ("", "pods/exec", "create")]
        assert [question for question in asked if bound.may(account, namespace, *question)] == [], account


def test_the_launcher_is_told_no_when_it_tries(bound: Namespaces) -> None:
    """Not an answer to a question: the refusal itself."""
    worker = f"--as=system:serviceaccount:{bound.names['dinov2-platform']}:worker"
    here = ["--namespace", bound.names["dinov2"]]
    assert bound.kubectl("get", "events", worker, *here).returncode == 0
    for refused in (["get", "secrets"], ["get", "deployments"], ["get", "configmaps"], ["delete", "pod", "any"]):
        done = bound.kubectl(*refused, worker, *here)
        assert "forbidden" in done.stderr.lower(), refused
