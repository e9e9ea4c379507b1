import fnmatch
from urllib.parse import urlsplit

import pytest

from k8s.check.render import Manifest

OUTSIDE = ("example.com", "localhost")


def settings(manifests: list[Manifest]) -> dict[str, dict[str, str]]:
    """The values of each ConfigMap, by its name without the hash of its content."""
    return {m["metadata"]["name"].rpartition("-")[0]: m["data"] for m in manifests if m["kind"] == "ConfigMap"}


def services(manifests: list[Manifest]) -> set[tuple[str, int]]:
    return {(m["metadata"]["name"], p["port"]) for m in manifests if m["kind"] == "Service" for p in m["spec"]["ports"]}


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_every_address_in_the_cluster_is_that_of_a_service(name: str, rendered: dict[str, list[Manifest]]) -> None:
    addresses = {
        (url.hostname, url.port)
        for values in settings(rendered[name]).values()
        for value in values.values()
        if (url := urlsplit(value)).hostname and url.port and not url.hostname.endswith(OUTSIDE)
    }
    assert addresses, "none was found"
    own = ".dinov2-platform.svc"
    assert {(str(host).removesuffix(own), port) for host, port in addresses} <= services(rendered[name])


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_mlflow_answers_to_the_name_that_jobs_call_it_by(name: str, rendered: dict[str, list[Manifest]]) -> None:
    """It refuses a Host header that it does not expect."""
    maps = settings(rendered[name])
    expected = maps["mlflow"]["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    called = {urlsplit(maps["worker"]["DINOV2_TRACKING"]).netloc, "localhost:5000"}
    called |= {m["spec"]["rules"][0]["host"] for m in rendered[name] if m["kind"] == "Ingress"} - {
        "prefect.example.com"
    }
    assert [host for host in called if not any(fnmatch.fnmatch(host, known) for known in expected)] == []


def test_jobs_are_told_the_address_by_a_name_that_other_namespaces_know(rendered: dict[str, list[Manifest]]) -> None:
    for name in ("dev", "prod"):
        worker = settings(rendered[name])["worker"]
        hosts = [urlsplit(worker[key]).hostname or "" for key in ("DINOV2_TRACKING", "AWS_ENDPOINT_URL")]
        assert all(host.endswith((".dinov2-platform.svc", *OUTSIDE)) for host in hosts)


def test_telemetry_is_off_everywhere(rendered: dict[str, list[Manifest]]) -> None:
    maps = settings(rendered["base"])
    assert maps["prefect"]["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert maps["mlflow"]["MLFLOW_DISABLE_TELEMETRY"] == maps["worker"]["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert maps["mlflow"]["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
