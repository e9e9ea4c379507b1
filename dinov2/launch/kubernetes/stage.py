"""What one stage's jobs ask of the cluster: a section of k8s/jobs.yaml."""

import math
from typing import Self

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from dinov2.config import Config
from dinov2.launch.job import INDEX, INDEXES, NODES, PATIENCE, RENDEZVOUS
from dinov2.launch.kubernetes.credentials import credential_in
from dinov2.launch.kubernetes.values import DnsName, EnvName, Key, LabelValue, Quantity, Scalar, Text, amount
from dinov2.launch.kubernetes.volumes import Toleration, Volume, VolumeMount

OURS = (NODES, RENDEZVOUS, PATIENCE, INDEX, INDEXES, "DINOV2_PROCESSES", "DINOV2_LAUNCHER", "HOME", "TMPDIR")
"""Variables of a pod that follow from the other keys."""
MOST_INDEXES = 100_000
"""Of an Indexed Job that counts failures for each index."""
DAY = 86400


class StageConfig(Config):
    """Where and how a stage's jobs run; nothing here changes what they give."""

    image: Text | None = Field(None, description="instead of everyone's")
    nodes: PositiveInt = Field(1, le=MOST_INDEXES, description="pods that work together")
    processes: PositiveInt | None = Field(None, description="in each of those; if not given one for each GPU")
    indexes: PositiveInt = Field(1, le=MOST_INDEXES, description="pods that work apart on a step of curation")
    parallelism: PositiveInt | None = Field(None, description="most of those at a time; if not given all")

    gpus: NonNegativeInt = Field(0, description="of each pod; one that works apart gets one at most")
    gpu_resource: Key = Field("nvidia.com/gpu", description="what the cluster calls a GPU")
    cpu: Quantity = Field("4", description="cores of each pod")
    memory: Quantity = Field("16Gi", description="of each pod, with what lies in shared_memory")
    shared_memory: Quantity = Field("8Gi", description="size of /dev/shm, through which loaders hand over images")
    ephemeral_storage: Quantity | None = Field(None, description="disk for the workspace and scratch files")
    resources: dict[Key, Quantity] = Field({}, description="others of each pod, such as rdma/hca")

    retries: NonNegativeInt = Field(6, description="failed pods that are replaced, for each node or index")
    failed_indexes: NonNegativeInt | None = Field(None, description="that may fail for good until the rest is stopped")
    deadline_seconds: PositiveInt = Field(7 * DAY, description="for all of it, retries and waiting for nodes included")
    ttl_seconds: NonNegativeInt = Field(DAY, description="after its end until the cluster forgets the Job")
    save_seconds: PositiveInt = Field(120, description="that a stopped worker needs to end its step and save")
    rendezvous_seconds: PositiveInt = Field(900, description="that pods wait for one another, image pulls included")
    start_seconds: PositiveInt = Field(120, description="patience with a pod that cannot start: image, Secret")

    queue: DnsName | None = Field(None, description="Kueue's LocalQueue")
    priority_class: DnsName | None = Field(None, description="PriorityClass of the pods")
    runtime_class: DnsName | None = Field(None, description="RuntimeClass of the pods, where GPUs need one")
    node_selector: dict[Key, LabelValue] = Field({}, description="labels that nodes must have")
    tolerations: list[Toleration] = Field([], description="taints of nodes that do not matter")
    topology_key: Key | None = Field(None, description="label of nodes over whose values pods spread where they can")

    env: dict[EnvName, Scalar] = Field({}, description="environment of the workers; no credentials")
    secrets: list[DnsName] = Field([], description="Secrets whose keys become environment variables")
    volumes: list[Volume] = Field([], description="as Kubernetes spells them")
    volume_mounts: list[VolumeMount] = Field([], description="as Kubernetes spells them")
    labels: dict[Key, LabelValue] = Field({}, description="of the pods, beside the launcher's")
    annotations: dict[Key, Scalar] = Field({}, description="of the pods")
    run_as_user: PositiveInt = Field(1000, description="number of the user and group that the processes are")

    @property
    def processes_each(self) -> int:
        """Processes in each pod of a job whose pods work together."""
        return self.processes or self.gpus or 1

    @property
    def cores(self) -> int:
        """Whole CPU cores of a pod, at least one."""
        return max(1, math.floor(amount(self.cpu)))

    @field_validator("env")
    @classmethod
    def _harmless(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if name in OURS:
                raise ValueError(f"{name} is the launcher's to set")
            if why := credential_in(name, value):
                raise ValueError(f"{name}: {why}; put it into a Secret and list that under secrets")
        return env

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.gpus and self.processes_each > self.gpus:
            raise ValueError(f"processes: {self.processes}: at most gpus, {self.gpus}: each process needs its own")
        if amount(self.shared_memory) > amount(self.memory):
            raise ValueError(
                f"shared_memory: {self.shared_memory!r}: part of memory, {self.memory}, so no more than that"
            )
        if taken := {"cpu", "memory", "ephemeral-storage", self.gpu_resource} & set(self.resources):
            raise ValueError(f"resources: {min(taken)}: use cpu, memory, ephemeral_storage or gpus")
        known = [volume.name for volume in self.volumes]
        if unknown := {mount.name for mount in self.volume_mounts} - set(known):
            raise ValueError(f"volume_mounts: {min(unknown)!r}: no such volume; volumes: {', '.join(known) or 'none'}")
        return self
