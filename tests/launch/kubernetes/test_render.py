"""The manifests of jobs."""

import copy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from dinov2.launch.kubernetes.config import JobsConfig, StageConfig, load_jobs
from dinov2.launch.kubernetes.credentials import credential_in
from dinov2.launch.kubernetes.render import Manifest, render
from tests.launch.kubernetes.cases import CODE, CONFIG, ENVIRONMENT, EVERYTHING, GOLDEN, JOBS, job, rendered, written

ROOT = Path(__file__).parents[3]
VERSIONS = [version for version in kubernetes_validate.utils.all_versions() if version >= "1.31"]
"""Since podFailurePolicy and podReplacementPolicy are there to stay, and for what is newer than this test."""


def last(stage: StageConfig, indexes: int = 1) -> Manifest:
    """The Job of a stage."""
    config = JobsConfig(image="dinov2:1", stages={"pretrain": stage})
    return render(job("pretrain", indexes), config, ENVIRONMENT, CODE)[-1]


def pod(manifest: Manifest) -> Manifest:
    return manifest["spec"]["template"]["spec"]


def environment(manifest: Manifest) -> dict[str, str]:
    (worker,) = pod(manifest)["containers"]
    return {each["name"]: each["value"] for each in worker["env"]}


@pytest.mark.parametrize("name", JOBS)
def test_manifests_are_the_golden_ones(name: str) -> None:
    assert written(rendered(name)) == (GOLDEN / f"{name}.yaml").read_text()


def test_every_golden_file_is_a_case() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(JOBS)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", JOBS)
def test_manifests_pass_strict_validation(name: str, version: str) -> None:
    for manifest in rendered(name):
        assert kubernetes_validate.validate(manifest, version, strict=True)


def test_every_section_of_the_file_of_this_project_gives_valid_manifests() -> None:
    config = load_jobs(ROOT)
    for name, stage in config.stages.items():
        for manifest in render(job(name, stage.indexes), config, ENVIRONMENT, CODE):
            assert kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


@pytest.mark.parametrize(
    ("path", "right", "wrong"),
    [
        (("spec",), "ttlSecondsAfterFinished", "ttlSecondsAfterFinish"),
        (("spec", "podFailurePolicy", "rules", 0, "onExitCodes"), "operator", "operation"),
        (("spec", "template", "spec"), "terminationGracePeriodSeconds", "terminationGracePeriod"),
        (("spec", "template", "spec", "containers", 0, "securityContext"), "readOnlyRootFilesystem", "readOnlyRootFs"),
    ],
)
def test_strict_validation_refuses_a_misspelt_field(path: tuple[str | int, ...], right: str, wrong: str) -> None:
    manifest = copy.deepcopy(rendered("everything")[-1])
    part: Any = manifest
    for step in path:
        part = part[step]
    part[wrong] = part.pop(right)
    with pytest.raises(kubernetes_validate.ValidationError, match=wrong):
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("seconds", [1, 5, 30, 120, 3600, 10**6])
def test_a_pod_is_killed_after_torchrun_would_and_torchrun_kills_after_a_worker_has_saved(seconds: int) -> None:
    manifest = last(StageConfig(save_seconds=seconds, nodes=2))
    torchrun = int(environment(manifest)["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"])
    assert seconds < torchrun < pod(manifest)["terminationGracePeriodSeconds"]


def test_several_nodes_meet_at_the_first_one_through_a_service_that_finds_them_all() -> None:
    service, manifest = rendered("several_nodes")
    template, name = manifest["spec"]["template"], manifest["metadata"]["name"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert service["metadata"]["name"] == template["spec"]["subdomain"] == name
    port = service["spec"]["ports"][0]["port"]
    assert environment(manifest)["DINOV2_RENDEZVOUS"] == f"{name}-0.{name}:{port}"
    (wait,) = template["spec"]["initContainers"]
    assert wait["command"][-1] == f"{name}-0.{name}"
    assert wait["env"] == [{"name": "DINOV2_RENDEZVOUS_SECONDS", "value": "900"}]


def test_nodes_and_processes_are_told_to_the_worker() -> None:
    two = environment(last(StageConfig(nodes=2, gpus=8)))
    assert (two["DINOV2_NODES"], two["DINOV2_PROCESSES"], two["DINOV2_LAUNCHER"]) == ("2", "8", "local")
    one = environment(last(StageConfig()))
    assert (one["DINOV2_NODES"], one["DINOV2_PROCESSES"]) == ("1", "1")
    assert "DINOV2_RENDEZVOUS" not in one
    assert "DINOV2_INDEXES" not in one


def test_indexes_are_pods_of_one_process_and_one_gpu_that_fail_alone() -> None:
    manifest = last(StageConfig(nodes=4, gpus=8, retries=2, parallelism=6), indexes=32)
    spec = manifest["spec"]
    assert (spec["completions"], spec["parallelism"]) == (32, 6)
    assert (spec["backoffLimitPerIndex"], spec["backoffLimit"]) == (2, 64)
    assert pod(manifest)["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    told = environment(manifest)
    assert (told["DINOV2_INDEXES"], told["DINOV2_NODES"], told["DINOV2_PROCESSES"]) == ("32", "1", "1")
    assert "subdomain" not in pod(manifest)


def test_what_no_index_has_is_not_asked_of_them() -> None:
    assert last(StageConfig(parallelism=64), indexes=4)["spec"]["parallelism"] == 4
    assert "maxFailedIndexes" not in last(StageConfig(), indexes=4)["spec"]
    assert last(StageConfig(failed_indexes=9), indexes=4)["spec"]["maxFailedIndexes"] == 4
    together = last(StageConfig(nodes=3, parallelism=1, retries=5, failed_indexes=1))["spec"]
    assert (together["parallelism"], together["completions"], together["backoffLimit"]) == (3, 3, 15)
    assert not {"backoffLimitPerIndex", "maxFailedIndexes"} & set(together)


def test_a_configuration_error_ends_the_job_and_a_stop_or_a_disruption_costs_nothing() -> None:
    spec = last(StageConfig())["spec"]
    rules = [(rule["action"], rule.get("onExitCodes", {}).get("values")) for rule in spec["podFailurePolicy"]["rules"]]
    assert rules == [("FailJob", [2]), ("Ignore", None), ("Ignore", [75])]
    # The only values that the API server allows beside it.
    assert (spec["podReplacementPolicy"], spec["template"]["spec"]["restartPolicy"]) == ("Failed", "Never")


def test_a_queue_makes_a_job_that_waits() -> None:
    manifest = last(StageConfig(queue="gpus"))
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert manifest["spec"]["suspend"] is True
    assert "suspend" not in last(StageConfig())["spec"]


@pytest.mark.parametrize(("stage", "hidden"), [(StageConfig(), True), (StageConfig(gpus=1), False)])
def test_a_pod_without_gpus_does_not_see_those_of_its_node(stage: StageConfig, hidden: bool) -> None:
    assert (environment(last(stage)).get("NVIDIA_VISIBLE_DEVICES") == "void") is hidden


@pytest.mark.parametrize(
    ("cpu", "processes", "threads", "workers"),
    [("4", 1, "4", "3"), ("96", 8, "12", "11"), ("192", 4, "48", "16"), ("500m", 1, "1", "1"), ("2", 8, "1", "1")],
)
def test_threads_and_workers_are_those_of_the_pod_not_of_its_node(
    cpu: str, processes: int, threads: str, workers: str
) -> None:
    told = environment(last(StageConfig(cpu=cpu, processes=processes)))
    assert (told["DINOV2_THREADS"], told["DINOV2_WORKERS"]) == (threads, workers)


def test_the_stage_overrides_the_caller_and_neither_what_makes_the_job() -> None:
    config = JobsConfig(image="dinov2:1", stages={"pretrain": StageConfig(env={"DINOV2_TRACKING": "http://inside"})})
    caller = {**ENVIRONMENT, "DINOV2_PROCESSES": "64", "DINOV2_THREADS": "7"}
    told = environment(render(job("pretrain"), config, caller, CODE)[-1])
    assert (told["DINOV2_TRACKING"], told["DINOV2_THREADS"], told["DINOV2_PROCESSES"]) == ("http://inside", "7", "1")


@pytest.mark.parametrize("name", JOBS)
def test_pods_are_within_the_restricted_pod_security_standard(name: str) -> None:
    spec = pod(rendered(name)[-1])
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert "privileged" not in container["securityContext"]
    assert spec["automountServiceAccountToken"] is False
    allowed = {"configMap", "csi", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    assert all(set(volume) - {"name"} <= allowed for volume in spec["volumes"])


@pytest.mark.parametrize("name", JOBS)
def test_what_is_asked_for_is_the_limit_so_that_a_pod_is_evicted_last(name: str) -> None:
    spec = pod(rendered(name)[-1])
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])


def test_credentials_come_from_secrets_by_name_alone() -> None:
    (worker,) = pod(rendered("everything")[-1])["containers"]
    assert worker["envFrom"] == [{"secretRef": {"name": "s3"}}, {"secretRef": {"name": "mlflow"}}]
    for name in JOBS:
        for container in [*pod(rendered(name)[-1])["containers"], *pod(rendered(name)[-1]).get("initContainers", [])]:
            assert not any(credential_in(each["name"], each["value"]) for each in container["env"])


def test_rendering_changes_nothing_that_it_was_given_and_shares_nothing_with_it() -> None:
    first = rendered("everything")
    before = EVERYTHING.model_dump(), written(first)
    second = rendered("everything")
    second[-1]["spec"]["template"]["metadata"]["annotations"]["added"] = "later"
    second[-1]["spec"]["template"]["spec"]["nodeSelector"]["added"] = "later"
    second[-1]["spec"]["template"]["spec"]["volumes"][-1]["persistentVolumeClaim"]["claimName"] = "later"
    assert (EVERYTHING.model_dump(), written(rendered("everything"))) == before


def test_yaml_repeats_nothing_by_reference() -> None:
    for name in JOBS:
        text = (GOLDEN / f"{name}.yaml").read_text()
        assert "&id" not in text
        assert list(yaml.safe_load_all(text)) == rendered(name)


def test_a_stage_without_a_section_gets_the_defaults() -> None:
    config = CONFIG.model_copy(update={"defaults": StageConfig(cpu="3")})
    (manifest,) = render(job("highres"), config, ENVIRONMENT, CODE)
    assert pod(manifest)["containers"][0]["resources"]["limits"]["cpu"] == "3"
    assert manifest["metadata"]["labels"]["dinov2.io/stage"] == "highres"
