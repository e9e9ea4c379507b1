"""Rules of our own for what runs: as whom, with what, watched how, from which image, and without secrets."""

import re
from collections.abc import Iterator
from typing import Any

from dinov2.launch.kubernetes.credentials import credential_in
from k8s.check.render import Manifest, title

Container = dict[str, Any]
PINNED = re.compile(r".+(:(?!latest)[^/:@]+(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})")


def pod_template(manifest: Manifest) -> Manifest | None:
    """The template of the pods that an object makes; None if it makes none."""
    template: Manifest | None = manifest.get("spec", {}).get("template")
    return template if template and "spec" in template else None


def broken(manifest: Manifest) -> list[str]:
    """The rules that an object breaks, as messages."""
    found = list(_secrets_in_the_open(manifest))
    if template := pod_template(manifest):
        pod = template["spec"]
        found += _pod(pod)
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            found += [f"container {container['name']}: {rule}" for rule in _container(container)]
    return [f"{title(manifest)}: {rule}" for rule in found]


def _pod(pod: Manifest) -> Iterator[str]:
    """What the `restricted` Pod Security Standard wants of a pod, and no token unless it is mounted by hand."""
    context = pod.get("securityContext", {})
    if not (context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0):
        yield "securityContext: runAsNonRoot and a runAsUser above 0 are wanted"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "securityContext: seccompProfile RuntimeDefault is wanted"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"{key} is not allowed"
    for volume in pod.get("volumes", []):
        if "hostPath" in volume:
            yield f"volume {volume['name']}: hostPath is not allowed"
    if pod.get("automountServiceAccountToken") is not False:
        yield "automountServiceAccountToken: false is wanted"
    if pod.get("serviceAccountName", "default") == "default":
        yield "serviceAccountName: one of its own is wanted"


def _container(container: Container) -> Iterator[str]:
    context = container.get("securityContext", {})
    wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    for key, value in wanted.items():
        if context.get(key) != value:
            yield f"securityContext: {key} must be {value}"
    if context.get("privileged"):
        yield "securityContext: privileged is not allowed"
    resources = container.get("resources", {})
    if missing := {"cpu", "memory"} - resources.get("requests", {}).keys():
        yield f"resources: no request of {' and '.join(sorted(missing))}"
    if "memory" not in resources.get("limits", {}):
        yield "resources: no limit of memory"
    if not PINNED.fullmatch(container["image"]):
        yield f"image {container['image']}: a tag other than latest, or a digest, is wanted"
    if container.get("ports"):
        for probe in ("readinessProbe", "livenessProbe"):
            if probe not in container:
                yield f"it serves, and has no {probe}"


def _secrets_in_the_open(manifest: Manifest) -> Iterator[str]:
    if manifest["kind"] == "Secret":
        yield "a Secret is made in the cluster, never rendered from files"
    values = dict(manifest.get("data") or {}) if manifest["kind"] == "ConfigMap" else {}
    if template := pod_template(manifest):
        pod = template["spec"]
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            values |= {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}
    for name, value in values.items():
        if why := credential_in(name, value):
            yield f"{name}: {why}"
