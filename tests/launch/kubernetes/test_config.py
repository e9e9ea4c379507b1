"""k8s/jobs.yaml: what it may say, how sections lie over the defaults, and what a mistake is told."""

from pathlib import Path

import pytest
import yaml
from kubernetes.utils import parse_quantity

from dinov2.errors import ConfigError
from dinov2.launch.kubernetes.config import JobsConfig, StageConfig, load_jobs
from dinov2.launch.kubernetes.values import UNITS, amount

ROOT = Path(__file__).parents[3]
LEAST = "image: dinov2:1\n"


def loaded(folder: Path, text: str) -> JobsConfig:
    (folder / "k8s").mkdir(exist_ok=True)
    (folder / "k8s" / "jobs.yaml").write_text(text)
    (folder / "dvc.yaml").write_text("stages: {pretrain: {cmd: dinov2 pretrain}, embed: {cmd: dinov2 embed}}")
    return load_jobs(folder)


def test_the_file_of_this_project_has_a_section_for_each_stage_that_works_hard() -> None:
    jobs = load_jobs(ROOT)
    light = {"register", "report"}
    assert set(jobs.stages) == set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]) - light
    assert jobs.of("pretrain").processes_each == 8
    assert jobs.of("embed").secrets == jobs.defaults.secrets == ["dinov2-s3"]


def test_a_section_adds_to_the_mappings_of_the_defaults_and_replaces_all_else(tmp_path: Path) -> None:
    defaults = "defaults: {gpus: 2, queue: slow, env: {A: 1, B: true}, secrets: [one], tolerations: [{key: a}]}\n"
    section = "stages: {pretrain: {queue: null, env: {B: x, C: 2.5}, secrets: [two], tolerations: []}, embed: }\n"
    jobs = loaded(tmp_path, LEAST + defaults + section)
    pretrain = jobs.of("pretrain")
    assert (pretrain.gpus, pretrain.queue, pretrain.env) == (2, None, {"A": "1", "B": "x", "C": "2.5"})
    assert (pretrain.secrets, pretrain.tolerations) == (["two"], [])
    assert jobs.of("embed") == jobs.of("never heard of") == jobs.defaults
    assert jobs.lists("embed")
    assert not jobs.lists("never heard of")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("namespace: a", "k8s/jobs.yaml: image: missing"),
        (LEAST + "namespace: My_Team", "namespace: 'My_Team': not a DNS label: a-z, 0-9 and - within, 63 at most"),
        (LEAST + "nodes: 2", "k8s/jobs.yaml: nodes: no such parameter; allowed here: defaults, image"),
        (LEAST + "defaults: {gpu: 8}", "defaults.gpu: no such parameter; allowed here: annotations, cpu"),
        (LEAST + "stages: {pretrain: {gpu: 8}}", "stages.pretrain: gpu: no such parameter; allowed here: annotations"),
        (LEAST + "stages: {pretrian: {gpus: 8}}", "stages.pretrian: no such stage; dvc.yaml has: pretrain, embed"),
        (LEAST + "stages: {pretrain: {gpus: -1}}", "stages.pretrain: gpus: -1: Input should be greater than or equal"),
        (LEAST + "stages: {pretrain: 8}", "stages.pretrain: 8: expected a mapping of keys"),
        (LEAST + "stages: [pretrain]", "stages: ['pretrain']: expected a section for each stage"),
        (LEAST + "stages: {pretrain: {memory: 64 GB}}", "memory: '64 GB': not a quantity; these are some: 8, 500m"),
        (LEAST + "stages: {pretrain: {memory: 64GB}}", "memory: '64GB': not a quantity"),
        (LEAST + "stages: {pretrain: {cpu: 0}}", "cpu: 0: must be more than 0"),
        (LEAST + "stages: {pretrain: {gpus: 2, processes: 4}}", "processes: 4: at most gpus, 2"),
        (LEAST + "stages: {pretrain: {shared_memory: 32Gi}}", "shared_memory: '32Gi': part of memory, 16Gi"),
        (LEAST + "stages: {pretrain: {resources: {cpu: 1}}}", "resources: cpu: use cpu, memory, ephemeral_storage"),
        (LEAST + "stages: {pretrain: {env: {DINOV2_NODES: 4}}}", "DINOV2_NODES is the launcher's to set"),
        (LEAST + "stages: {pretrain: {env: {a-b: 4}}}", "not the name of an environment variable"),
        (LEAST + "stages: {pretrain: {tolerations: [{efect: NoSchedule}]}}", "tolerations.0.efect: no such parameter"),
        (LEAST + "stages: {pretrain: {volumes: [{name: a, pvc: {}}]}}", "volumes.0.pvc: no such parameter"),
        (LEAST + "stages: {pretrain: {volumes: [{name: a}]}}", "a: wants one of: configMap, csi, emptyDir"),
        (LEAST + "stages: {pretrain: {volumes: [{name: scratch, emptyDir: {}}]}}", "every worker has that one already"),
        (LEAST + "stages: {pretrain: {volume_mounts: [{name: a, mountPath: /a}]}}", "'a': no such volume; "),
        (LEAST + "stages: {pretrain: {volume_mounts: [{name: a, mountPath: /workspace/}]}}", "none of /workspace"),
    ],
)
def test_a_mistake_is_told_with_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, text)
    assert str(error.value).startswith("k8s/jobs.yaml: ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"k8s/jobs\.yaml: no such file"):
        load_jobs(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_ACCESS_KEY_ID", "hunter2"),
        ("MLFLOW_TRACKING_PASSWORD", "hunter2"),
        ("HF_TOKEN", "hunter2"),
        ("DINOV2_TRACKING", "https://me:hunter2@mlflow.example.com"),
        ("DINOV2_TRACKING", "https://hunter2@mlflow.example.com"),
        ("POOL", "https://account.blob.example.com/pool?sv=2024&sig=hunter2"),
        ("POOL", "https://s3.example.com/pool?X-Amz-Signature=hunter2"),
        ("DATABASE", "postgresql://db/mlflow?password=hunter2"),
    ],
)
def test_a_credential_in_the_environment_is_refused_and_not_repeated(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: .*; put it into a Secret") as error:
        loaded(tmp_path, LEAST + f"stages: {{pretrain: {{env: {{{name}: '{value}'}}}}}}")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/secrets/aws"),
        ("DINOV2_STORE", "abfs://container@account.dfs.core.windows.net/store"),
        ("AWS_ENDPOINT_URL", "http://[::1]:9000"),
    ],
)
def test_what_only_looks_like_a_credential_is_allowed(name: str, value: str) -> None:
    assert StageConfig(env={name: value}).env == {name: value}


@pytest.mark.parametrize("number", ["1", "0.25", "1500"])
@pytest.mark.parametrize("unit", UNITS)
def test_a_quantity_is_what_kubernetes_takes_it_for(number: str, unit: str) -> None:
    assert amount(number + unit) == pytest.approx(float(parse_quantity(number + unit)))


@pytest.mark.parametrize(("gpus", "processes", "each"), [(0, None, 1), (0, 4, 4), (8, None, 8), (8, 4, 4), (1, 1, 1)])
def test_every_gpu_gets_a_process_unless_told_otherwise(gpus: int, processes: int | None, each: int) -> None:
    assert StageConfig(gpus=gpus, processes=processes).processes_each == each
