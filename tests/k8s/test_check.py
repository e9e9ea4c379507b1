import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from dinov2.errors import ConfigError
from k8s.check.__main__ import problems
from k8s.check.render import Manifest, render
from k8s.check.rules import broken
from k8s.check.schemas import invalid
from tests.k8s.conftest import job_of

Change = Callable[[Manifest], object]


def of(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    found = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return copy.deepcopy(found[0])


def container(manifest: Manifest) -> Manifest:
    first: Manifest = manifest["spec"]["template"]["spec"]["containers"][0]
    return first


@pytest.mark.parametrize("name", ["base", "dev", "prod"])
def test_everything_rendered_is_valid_and_keeps_the_rules(name: str, rendered: dict[str, list[Manifest]]) -> None:
    assert problems(rendered[name]) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m["spec"].update(replica=2), "replica"),
        (lambda m: m["spec"].update(replicas="two"), "replicas"),
        (lambda m: container(m).update(livenesProbe={}), "livenesProbe"),
        (lambda m: m.update(apiVersion="apps/v1beta1"), "no schema"),
    ],
)
def test_a_field_or_version_that_kubernetes_does_not_have_is_refused(
    change: Change, told: str, rendered: dict[str, list[Manifest]]
) -> None:
    mlflow = of(rendered["dev"], "Deployment", "mlflow")
    assert invalid(mlflow) is None
    change(mlflow)
    assert told in (invalid(mlflow) or "")


def test_a_misspelt_field_of_a_queue_is_refused_too(rendered: dict[str, list[Manifest]]) -> None:
    queue = of(rendered["prod"], "LocalQueue", "training")
    assert invalid(queue) is None
    queue["spec"]["clusterqueue"] = queue["spec"].pop("clusterQueue")
    assert "clusterqueue" in (invalid(queue) or "") or "clusterQueue" in (invalid(queue) or "")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: container(m)["resources"].pop("requests"), "no request of cpu and memory"),
        (lambda m: container(m)["resources"].pop("limits"), "no limit of memory"),
        (lambda m: container(m).pop("livenessProbe"), "no livenessProbe"),
        (lambda m: container(m).update(image="dinov2"), "a tag"),
        (lambda m: container(m).update(image="dinov2:latest"), "a tag"),
        (lambda m: container(m).update(image="registry:5000/dinov2"), "a tag"),
        (lambda m: container(m)["securityContext"].update(readOnlyRootFilesystem=False), "readOnlyRootFilesystem"),
        (lambda m: container(m)["securityContext"].pop("capabilities"), "capabilities"),
        (lambda m: m["spec"]["template"]["spec"]["securityContext"].update(runAsUser=0), "runAsUser"),
        (lambda m: m["spec"]["template"]["spec"].pop("automountServiceAccountToken"), "automount"),
        (lambda m: m["spec"]["template"]["spec"].update(hostNetwork=True), "hostNetwork"),
        (lambda m: m["spec"]["template"]["spec"]["volumes"].append({"name": "x", "hostPath": {}}), "hostPath"),
        (lambda m: container(m)["env"].append({"name": "DB_PASSWORD", "value": "hunter2"}), "credential"),
        (lambda m: container(m)["env"].append({"name": "DB", "value": "postgresql://a:b@c/d"}), "user or password"),
    ],
)
def test_what_breaks_a_rule_is_named(change: Change, told: str, rendered: dict[str, list[Manifest]]) -> None:
    mlflow = of(rendered["dev"], "Deployment", "mlflow")
    assert broken(mlflow) == []
    change(mlflow)
    (rule,) = broken(mlflow)
    assert told in rule
    assert rule.startswith("Deployment dinov2-platform/mlflow: ")
    assert "hunter2" not in rule


def test_a_secret_in_the_files_is_refused(rendered: dict[str, list[Manifest]]) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "dinov2"}}
    assert problems([*rendered["dev"], secret]) == [
        "Secret dinov2/s: a Secret is made in the cluster, never rendered from files"
    ]


@pytest.mark.parametrize(("kind", "name"), [("NetworkPolicy", "to-mlflow"), ("PodDisruptionBudget", "mlflow")])
def test_a_selector_that_selects_nothing_is_named(kind: str, name: str, rendered: dict[str, list[Manifest]]) -> None:
    changed = copy.deepcopy(rendered["dev"])
    spec = next(m["spec"] for m in changed if (m["kind"], m["metadata"]["name"]) == (kind, name))
    spec["podSelector" if kind == "NetworkPolicy" else "selector"] = {
        "matchLabels": {"app.kubernetes.io/name": "mlfow"}
    }
    assert problems(changed) == [f"{kind} dinov2-platform/{name}: it selects none of the pods in its namespace"]


def test_a_namespace_that_denies_nothing_is_named(rendered: dict[str, list[Manifest]]) -> None:
    without = [m for m in rendered["dev"] if (m["kind"], m["metadata"]["name"]) != ("NetworkPolicy", "deny")]
    assert sorted(problems(without)) == [
        "Namespace dinov2-platform: no NetworkPolicy denies everything that none allows",
        "Namespace dinov2: no NetworkPolicy denies everything that none allows",
    ]


@pytest.mark.parametrize("stage", ["pretrain", "embed", "ingest"])
def test_jobs_of_the_launcher_keep_the_rules_of_their_namespace(stage: str) -> None:
    assert problems([job_of(stage)]) == []


def test_jobs_run_in_the_namespace_and_as_the_account_that_are_made_for_them(
    job: Manifest, rendered: dict[str, list[Manifest]]
) -> None:
    pod = job["spec"]["template"]["spec"]
    account = of(rendered["base"], "ServiceAccount", pod["serviceAccountName"])
    assert account["metadata"]["namespace"] == job["metadata"]["namespace"]
    assert of(rendered["base"], "PriorityClass", pod["priorityClassName"])
    bound = [subject["name"] for m in rendered["prod"] if m["kind"] == "RoleBinding" for subject in m["subjects"]]
    assert pod["serviceAccountName"] not in bound


def test_without_kubectl_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="kubectl is not on this machine"):
        render(tmp_path)
