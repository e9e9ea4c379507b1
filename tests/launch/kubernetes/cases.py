"""Jobs whose manifests are kept in golden/, one of each kind.

After a change that is wanted, write them anew and read the difference: python -m tests.launch.kubernetes.cases
"""

from pathlib import Path

import yaml

from dinov2.launch.job import Job
from dinov2.launch.kubernetes.config import JobsConfig, StageConfig
from dinov2.launch.kubernetes.render import Manifest, render
from dinov2.launch.kubernetes.volumes import Toleration, Volume, VolumeMount

GOLDEN = Path(__file__).parent / "golden"
CODE = "5eed00000000c0de"
ENVIRONMENT = {
    "AWS_ENDPOINT_URL": "https://s3.example.com",
    "DINOV2_STORE": "s3://dinov2/store",
    "DINOV2_TRACKING": "https://mlflow.example.com",
}
EVERYTHING = StageConfig(
    image="registry.example.com/dinov2:test-gpu",
    nodes=4,
    processes=2,
    gpus=4,
    gpu_resource="amd.com/gpu",
    cpu="15500m",
    memory="64Gi",
    shared_memory="16Gi",
    ephemeral_storage="100Gi",
    resources={"rdma/hca": "1"},
    retries=2,
    deadline_seconds=3600,
    ttl_seconds=600,
    save_seconds=45,
    rendezvous_seconds=1800,
    queue="gpus",
    priority_class="training",
    runtime_class="nvidia",
    node_selector={"example.com/rack": "b"},
    tolerations=[Toleration.model_validate({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"})],
    topology_key="topology.kubernetes.io/zone",
    env={"NCCL_DEBUG": "WARN", "DINOV2_TRACKING": "http://mlflow:5000", "DINOV2_THREADS": "3"},
    secrets=["s3", "mlflow"],
    volumes=[Volume.model_validate({"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}})],
    volume_mounts=[VolumeMount.model_validate({"name": "cache", "mountPath": "/cache", "readOnly": True})],
    labels={"example.com/team": "vision"},
    annotations={"kueue.x-k8s.io/podset-preferred-topology": "example.com/block"},
    run_as_user=4242,
)
CONFIG = JobsConfig(
    namespace="vision",
    image="registry.example.com/dinov2:test",
    image_pull_secrets=["registry"],
    stages={
        "pretrain": StageConfig(nodes=2, gpus=8, cpu="96", memory="900Gi", secrets=["s3"]),
        "evaluate": StageConfig(),
        "embed": StageConfig(gpus=8, parallelism=4, retries=2, failed_indexes=0),
        "distill": EVERYTHING,
    },
)


def job(name: str, indexes: int = 1, stage: str = "") -> Job:
    return Job(name, "dinov2.stages.training_job", (name,), (), (), indexes, stage, key="0123456789abcdef")


JOBS = {
    "several_nodes": job("pretrain"),
    "one_process": job("evaluate"),
    "indexed": job("embed", indexes=16),
    "everything": job("S", stage="distill"),
}


def rendered(name: str, config: JobsConfig = CONFIG) -> list[Manifest]:
    return render(JOBS[name], config, ENVIRONMENT, CODE)


def written(manifests: list[Manifest]) -> str:
    return yaml.safe_dump_all(manifests, sort_keys=False, width=120)


if __name__ == "__main__":
    for each in JOBS:
        (GOLDEN / f"{each}.yaml").write_text(written(rendered(each)))
