"""Where a job would run, on how many GPUs, and what would be made on a cluster for it."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from dinov2.launch import Job, shape
from dinov2.launch.kubernetes.config import JobsConfig, load_jobs
from dinov2.launch.kubernetes.environment import pod_environment
from dinov2.launch.kubernetes.exchange import code_digest, finished
from dinov2.launch.kubernetes.names import KEY
from dinov2.launch.kubernetes.render import Manifest, render
from dinov2.launch.kubernetes.render.task import task_of
from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.storage import Store
from dinov2.training.rates import device_name, label

UNKNOWN = "not-known-yet"
"""In place of the digits in a Job's name that depend on what is not made or looked up yet."""


@dataclass(frozen=True)
class Place:
    """Where a piece of a stage would run.

    Attributes:
        launcher: "local" is this machine.
        name: of the Job on the cluster.
        pods: of it.
        processes: that run at a time.
        gpus: that these hold, all together.
        kind: of device that computes, "cuda" or "cpu".
        product: that device, as labels of nodes have it; None if any will do.
        manifests: what would be made on the cluster.
        finished: the store has all that the job writes, which is only brought back.
    """

    launcher: Literal["local", "kubernetes"]
    processes: int
    gpus: int
    kind: str
    product: str | None
    name: str = ""
    pods: int = 0
    manifests: tuple[Manifest, ...] = ()
    finished: bool = False


@dataclass(frozen=True)
class Cluster:
    """What manifests are made of, beside the job, and where its outputs would be."""

    settings: Settings
    store: Store
    config: JobsConfig
    environment: dict[str, str]
    code: str

    def place(self, job: Job) -> Place:
        """A job on it; one without a key has a name that says so."""
        keyed = job if job.key else replace(job, key="0" * KEY)
        task = task_of(keyed, self.config, self.environment, self.code)
        manifests, name = render(keyed, self.config, self.environment, self.code), task.name
        if not job.key:
            unknown = name[:-KEY] + UNKNOWN
            manifests, name = [_renamed(manifest, name, unknown) for manifest in manifests], unknown
        most = task.stage.parallelism if task.apart else None
        at_once = min(most or task.pods, task.pods)
        gpus = at_once * task.gpus
        return Place(
            launcher="kubernetes",
            processes=at_once * task.processes,
            gpus=gpus,
            kind="cuda" if gpus else "cpu",
            product=_product(task.stage.node_selector) if gpus else None,
            name=name,
            pods=task.pods,
            manifests=tuple(manifests),
            finished=bool(job.key) and not self.settings.rerun and finished(job, name, self.store),
        )


def cluster_of(context: Context) -> Cluster | None:
    """What the settings say of a cluster, which is not asked; None if jobs run on this machine.

    Raises:
        ConfigError: k8s/jobs.yaml is wrong, or pods could not reach what the settings name.
    """
    if context.settings.launcher == "local":
        return None
    return Cluster(
        context.settings, context.store, load_jobs(context.root), pod_environment(context.settings), code_digest()
    )


def place_of(context: Context, cluster: Cluster | None, job: Job | None) -> Place:
    """Where a piece of a stage would run; without a job in the stage's own command."""
    settings = context.settings
    if job and cluster and shape(job.stage, settings, context.root).elsewhere:
        return cluster.place(job)
    processes = 1 if job is None else settings.jobs if job.indexes > 1 else settings.processes
    cuda = context.device.type == "cuda"
    return Place(
        launcher="local",
        processes=processes,
        gpus=min(processes, torch.cuda.device_count()) if cuda else 0,
        kind=context.device.type,
        product=label(device_name(context.device)),
    )


def _product(node_selector: dict[str, str]) -> str | None:
    """The GPU that nodes must have, by the label that NVIDIA's and AMD's operators give them."""
    labels = {key.rpartition("/")[2]: value for key, value in node_selector.items()}
    return labels.get("gpu.product") or labels.get("gpu.product-name")


def _renamed(part: Any, name: str, other: str) -> Any:
    if isinstance(part, dict):
        return {key: _renamed(value, name, other) for key, value in part.items()}
    if isinstance(part, list):
        return [_renamed(value, name, other) for value in part]
    return part.replace(name, other) if isinstance(part, str) else part
