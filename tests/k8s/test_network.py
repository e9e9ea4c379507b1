import itertools

import pytest

from k8s.check.render import Manifest
from k8s.check.rules import pod_template
from tests.k8s.conftest import job_of
from tests.k8s.network import Pod, allowed

PORTS = {"prefect": 4200, "mlflow": 5000, "postgres": 5432, "object-store": 7070, "worker": 8080, "job": 29500}
DNS = Pod("dns", "kube-system", {"k8s-app": "kube-dns"})
WEB = Pod("web", address="93.184.215.14")
METADATA = Pod("metadata", address="169.254.169.254")
CONTROLLER = Pod("controller", "ingress", {"app": "controller"})
TOGETHER = {
    ("worker", "prefect", 4200),
    ("worker", "mlflow", 5000),
    ("job", "mlflow", 5000),
    ("ingest", "mlflow", 5000),
    *itertools.product(("job", "ingest"), ("job", "ingest"), PORTS.values()),
}
DEV = {
    ("prefect", "postgres", 5432),
    ("mlflow", "postgres", 5432),
    *itertools.product(("worker", "mlflow", "bucket", "job", "ingest"), ("object-store",), (7070,)),
}
PROD = {("prefect-gate", "prefect", 4200), ("mlflow-gate", "mlflow", 5000)}


def pods_of(manifests: list[Manifest]) -> dict[str, Pod]:
    made = [
        Pod(m["metadata"]["name"], m["metadata"]["namespace"], template["metadata"]["labels"])
        for m in manifests
        if (template := pod_template(m))
    ]
    for name, stage in (("job", "pretrain"), ("ingest", "ingest")):
        job = job_of(stage)
        made.append(Pod(name, job["metadata"]["namespace"], job["spec"]["template"]["metadata"]["labels"]))
    return {pod.name: pod for pod in made}


def policies_of(manifests: list[Manifest]) -> list[Manifest]:
    return [m for m in manifests if m["kind"] == "NetworkPolicy"]


@pytest.mark.parametrize(("name", "more"), [("dev", DEV), ("prod", PROD)])
def test_pods_reach_one_another_where_they_must_and_nowhere_else(
    name: str, more: set[tuple[str, str, int]], rendered: dict[str, list[Manifest]]
) -> None:
    pods, policies = pods_of(rendered[name]), policies_of(rendered[name])
    found = {
        (source.name, target.name, port)
        for source, target in itertools.product(pods.values(), repeat=2)
        for port in PORTS.values()
        if allowed(policies, source, target, port)
    }
    assert found == TOGETHER | more


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_every_pod_finds_names_and_none_finds_the_credentials_of_its_node(
    name: str, rendered: dict[str, list[Manifest]]
) -> None:
    policies = policies_of(rendered[name])
    for pod in pods_of(rendered[name]).values():
        assert allowed(policies, pod, DNS, 53, "UDP"), pod
        assert not any(allowed(policies, pod, METADATA, port) for port in (80, 443)), pod


@pytest.mark.parametrize(
    ("name", "port", "who"),
    [
        ("dev", 443, {"worker", "ingest"}),
        ("dev", 80, {"worker", "ingest"}),
        ("dev", 5432, set()),
        ("prod", 443, {"worker", "ingest", "job", "mlflow", "prefect-gate", "mlflow-gate"}),
        ("prod", 80, {"worker", "ingest"}),
        ("prod", 5432, {"prefect", "mlflow"}),
    ],
)
def test_who_leaves_the_cluster(name: str, port: int, who: set[str], rendered: dict[str, list[Manifest]]) -> None:
    policies = policies_of(rendered[name])
    assert {pod.name for pod in pods_of(rendered[name]).values() if allowed(policies, pod, WEB, port)} == who


def test_from_outside_the_gates_alone_are_reached(rendered: dict[str, list[Manifest]]) -> None:
    policies = policies_of(rendered["prod"])
    ports = (*PORTS.values(), 4180)
    reached = {
        (pod.name, port)
        for pod in pods_of(rendered["prod"]).values()
        for port in ports
        if allowed(policies, CONTROLLER, pod, port)
    }
    assert reached == {("prefect-gate", 4180), ("mlflow-gate", 4180)}
