import json
import subprocess
import sys

import pytest

from dinov2.launch.kubernetes.config import load_jobs
from k8s.check.render import Manifest
from k8s.check.rules import pod_template
from k8s.dev_secrets import dev_secrets
from tests.k8s.conftest import ROOT

PROD = {
    ("dinov2-platform", "prefect", "database-password"),
    ("dinov2-platform", "prefect", "auth-string"),
    ("dinov2-platform", "mlflow", "database-password"),
    ("dinov2-platform", "mlflow", "AWS_ACCESS_KEY_ID"),
    ("dinov2-platform", "mlflow", "AWS_SECRET_ACCESS_KEY"),
    ("dinov2-platform", "dinov2-s3", "*"),
    ("dinov2-platform", "gate", "client-id"),
    ("dinov2-platform", "gate", "client-secret"),
    ("dinov2-platform", "gate", "cookie-secret"),
    ("dinov2-platform", "prefect-tls", "*"),
    ("dinov2-platform", "mlflow-tls", "*"),
}
"""What docs/kubernetes.md says how to make; `*` stands for all keys."""


def wanted(manifests: list[Manifest]) -> set[tuple[str, str, str]]:
    """Namespace, name and key of every Secret that is referred to."""
    found = set()
    for manifest in manifests:
        namespace = manifest["metadata"].get("namespace", "")
        if template := pod_template(manifest):
            for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]:
                refs = [e["valueFrom"]["secretKeyRef"] for e in container.get("env", []) if "valueFrom" in e]
                found |= {(namespace, ref["name"], ref["key"]) for ref in refs}
                sources = [e["secretRef"] for e in container.get("envFrom", []) if "secretRef" in e]
                found |= {(namespace, ref["name"], "*") for ref in sources}
        if manifest["kind"] == "Ingress":
            found |= {(namespace, tls["secretName"], "*") for tls in manifest["spec"]["tls"]}
    return found


def test_the_dev_overlay_refers_to_no_secret_that_is_not_made(rendered: dict[str, list[Manifest]]) -> None:
    made = {
        (str(secret["metadata"]["namespace"]), str(secret["metadata"]["name"]), key)
        for secret in dev_secrets()
        for key in (*secret["stringData"], "*")
    }
    assert wanted(rendered["dev"]) <= made


def test_jobs_find_the_secrets_that_k8s_jobs_names() -> None:
    jobs = load_jobs(ROOT)
    made = {s["metadata"]["name"] for s in dev_secrets() if s["metadata"]["namespace"] == jobs.namespace}
    assert set(jobs.of("pretrain").secrets) == made == {"dinov2-s3"}


def test_the_prod_overlay_refers_to_the_secrets_that_are_documented(rendered: dict[str, list[Manifest]]) -> None:
    assert wanted(rendered["prod"]) == PROD
    documented = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    assert [name for _, name, _ in PROD if name not in documented] == []


def test_the_platform_and_the_jobs_have_the_same_keys_of_the_store_and_mlflow_too() -> None:
    keys = {
        (secret["stringData"]["AWS_ACCESS_KEY_ID"], secret["stringData"]["AWS_SECRET_ACCESS_KEY"])
        for secret in dev_secrets()
        if "AWS_ACCESS_KEY_ID" in secret["stringData"]
    }
    assert len(keys) == 1


def test_secrets_differ_from_time_to_time_and_kubectl_can_read_them() -> None:
    first, second = (
        json.loads(subprocess.check_output([sys.executable, "-m", "k8s.dev_secrets"], cwd=ROOT)) for _ in range(2)
    )
    values = [{v for item in told["items"] for v in item["stringData"].values()} for told in (first, second)]
    assert not values[0] & values[1]
    assert all(len(value) >= 16 for value in values[0])
    assert first["kind"] == "List"


@pytest.mark.parametrize("name", ["base", "dev", "prod"])
def test_no_secret_is_rendered(name: str, rendered: dict[str, list[Manifest]]) -> None:
    assert "Secret" not in {manifest["kind"] for manifest in rendered[name]}
