"""Selectors that select something: a policy whose labels no pod has protects nothing, and nobody notices."""

from collections.abc import Iterator, Mapping
from typing import Any

from dinov2.launch.kubernetes.render.task import JOB_LABEL, STAGE_LABEL
from k8s.check.render import Manifest, title
from k8s.check.rules import pod_template

JOBS = "dinov2"
"""The namespace of the launcher's jobs."""
JOB_LABELS = {
    "app.kubernetes.io/name": "dinov2",
    "app.kubernetes.io/managed-by": "dinov2",
    JOB_LABEL: "ingest-0123456789ab",
    STAGE_LABEL: "ingest",
}
"""Of a job's pods, which are rendered when it is launched."""
Pod = tuple[str, Mapping[str, str]]
"""Its namespace and its labels."""


def pods(manifests: list[Manifest]) -> list[Pod]:
    """One pod of everything that makes pods, a job of the launcher included."""
    templates = [
        (manifest["metadata"]["namespace"], pod_template(manifest)) for manifest in manifests if _makes_pods(manifest)
    ]
    return [(JOBS, JOB_LABELS), *((namespace, found["metadata"]["labels"]) for namespace, found in templates if found)]


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector selects something with these labels; an empty one selects everything."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_holds(expression, labels) for expression in selector.get("matchExpressions", []))


def unused(manifests: list[Manifest]) -> Iterator[str]:
    """Objects that select no pod, and namespaces that do not deny what no policy allows."""
    existing = pods(manifests)
    for manifest in manifests:
        selector = _selector(manifest)
        here = [labels for namespace, labels in existing if namespace == manifest["metadata"].get("namespace")]
        if selector is not None and not any(matches(selector, labels) for labels in here):
            yield f"{title(manifest)}: it selects none of the pods in its namespace"
        if manifest["kind"] == "Namespace":
            yield from _namespace(manifest, manifests)


def _namespace(namespace: Manifest, manifests: list[Manifest]) -> Iterator[str]:
    if namespace["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
        yield f"{title(namespace)}: Pod Security: enforce restricted is wanted"
    wanted = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    policies = [m for m in manifests if m["kind"] == "NetworkPolicy"]
    if not any(p["spec"] == wanted and p["metadata"]["namespace"] == namespace["metadata"]["name"] for p in policies):
        yield f"{title(namespace)}: no NetworkPolicy denies everything that none allows"


def _makes_pods(manifest: Manifest) -> bool:
    return pod_template(manifest) is not None


def _selector(manifest: Manifest) -> Mapping[str, Any] | None:
    spec = manifest.get("spec", {})
    match manifest["kind"]:
        case "NetworkPolicy":
            return dict(spec["podSelector"])
        case "PodDisruptionBudget":
            # Without one it would select nothing, with an empty one everything.
            return dict(spec.get("selector") or {"matchExpressions": [{"key": "", "operator": "In", "values": []}]})
        case "Service":
            return {"matchLabels": spec["selector"]}
        case "Deployment" | "StatefulSet":
            return dict(spec["selector"])
    return None


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values", [])
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise AssertionError(f"{operator}: no operator of a LabelSelector")
