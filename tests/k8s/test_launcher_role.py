import re
from pathlib import Path

from dinov2.launch.kubernetes import client
from k8s.check.render import Manifest

CALLS = {"create": "create", "read": "get", "list": "list", "delete": "delete", "patch": "patch", "replace": "update"}
NEEDED = {
    *(("batch", "jobs", verb) for verb in ("create", "get", "list", "delete")),
    *(("", "services", verb) for verb in ("create", "get", "delete")),
    ("", "pods", "list"),
    ("", "events", "list"),
    ("", "pods/log", "get"),
}
"""All that the launcher does, and the janitor: API group, resource, verb."""


def granted(manifests: list[Manifest]) -> set[tuple[str, str, str]]:
    """What every Role and ClusterRole gives."""
    rules = [rule for m in manifests if m["kind"] in ("Role", "ClusterRole") for rule in m["rules"]]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_role_gives_what_the_launcher_does_and_nothing_else(rendered: dict[str, list[Manifest]]) -> None:
    for manifests in rendered.values():
        assert granted(manifests) == NEEDED


def test_the_launcher_calls_what_the_role_gives_and_nothing_else() -> None:
    """As its source spells the official client's methods: `list_namespaced_pod`."""
    text = Path(client.__file__).read_text(encoding="utf-8")
    called = set(re.findall(r"\b(create|read|list|delete|patch|replace|watch)_namespaced_(\w+)", text))
    assert {(CALLS[verb], resource) for verb, resource in called} == {
        (verb, resource.replace("/", "_").replace("pods", "pod").removesuffix("s")) for _, resource, verb in NEEDED
    }


def test_the_role_is_the_workers_alone_and_reaches_into_the_namespace_of_jobs_alone(
    rendered: dict[str, list[Manifest]],
) -> None:
    for manifests in rendered.values():
        (role,) = [m for m in manifests if m["kind"] == "Role"]
        (binding,) = [m for m in manifests if m["kind"] == "RoleBinding"]
        assert not [m for m in manifests if m["kind"] in ("ClusterRole", "ClusterRoleBinding")]
        assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "dinov2"
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "worker", "namespace": "dinov2-platform"}]
