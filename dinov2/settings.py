"""Where things run and live: environment variables `DINOV2_*`. What is learnt is up to params.yaml, not to them."""

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from dinov2.credentials import credential_in_url, masked
from dinov2.errors import ConfigError

MOST_WORKERS = 16
RUNS = Path("var", "runs")
"""Where a workspace has the clones that its runs work in."""
CREDENTIALS = (
    "S3 takes credentials from AWS_* or a profile, MLflow from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
    "Postgres from PGPASSWORD or PGPASSFILE"
)


class Settings(BaseSettings):
    """Read from the environment, for example `DINOV2_STORE=s3://bucket/prefix`."""

    model_config = SettingsConfigDict(env_prefix="DINOV2_", frozen=True, extra="ignore")

    store: str = Field("var/store", description="fsspec URL for images, shards, embeddings and checkpoints")
    tracking: str = Field("sqlite:///var/mlflow.db", description="MLflow tracking and registry URI")
    artifacts: str = Field("var/mlflow-artifacts", description="where MLflow keeps artifacts when it has no server")
    checkpoints: str = Field("", description="fsspec URL for checkpoints of training; empty: in the store")
    launcher: Literal["local", "kubernetes"] = Field("local", description="where the jobs of stages run")
    processes: PositiveInt = Field(1, description="training processes on this machine, one a device")
    nodes: PositiveInt = Field(1, description="machines that train together; a launcher sets it where they do")
    rerun: bool = Field(False, description="jobs that have finished or failed are run again")
    rerun_for: str = Field("", description="who asks for DINOV2_RERUN; a job is run again once for them")
    jobs: PositiveInt = Field(1, description="processes that a step of curation is shared out to on this machine")
    scratch: str = Field("var/scratch", description="local folder for what curation cannot hold in memory")
    threads: int = Field(0, ge=0, description="CPU threads for each process; 0 shares the cores out evenly")
    workers: int = Field(-1, ge=-1, description="data-loading processes for each training process; -1 chooses")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="what tensors are computed on")
    attention: Literal["auto", "measure", "sdpa", "dense", "xformers", "varlen"] = Field(
        "auto", description="how training computes attention; measure takes the fastest on this machine"
    )
    distill: Literal["together", "apart"] = Field(
        "together", description="train all students in the first one's run, from one pass of the teacher"
    )
    recompute: bool = Field(False, description="training keeps less for the backward pass and computes it again")
    compile: bool = Field(False, description="training compiles each block of the networks")
    shard_over: int = Field(0, ge=0, description="processes that hold one copy of the parameters; 0 is all of them")
    microbatch: int = Field(0, ge=0, description="most images a process takes in at once; 0: no limit")

    checkpoint_seconds: float = Field(300.0, ge=0, description="at most this much training is lost to a failure")
    checkpoint_keep: PositiveInt = Field(2, description="newest checkpoints of a run that are kept")
    checkpoint_milestones: int = Field(0, ge=0, description="steps from one that is kept for good to the next; 0: none")

    gpu_hour_price: float | None = Field(None, ge=0, description="of one GPU for an hour, in whatever currency")
    retry_seconds: float = Field(5.0, ge=0, description="before a failed stage is tried again; twice as long each time")
    mlflow_url: str = Field("", description="address of MLflow's pages for links, if that is not DINOV2_TRACKING")

    @cached_property
    def threads_each(self) -> int:
        """CPU threads for one process."""
        return self.threads or max(1, len(os.sched_getaffinity(0)) // self.processes)

    @cached_property
    def workers_each(self) -> int:
        """Data-loading processes for one training process."""
        if self.workers >= 0:
            return self.workers
        return min(MOST_WORKERS, max(1, len(os.sched_getaffinity(0)) // self.processes - 1))

    @cached_property
    def torch_device(self) -> str:
        """The kind of device tensors are computed on: `cuda` where there is one, unless told otherwise."""
        import torch  # takes seconds, which commands without tensors need not spend

        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError("DINOV2_DEVICE: 'cuda': torch sees no CUDA device here; allowed: auto, cpu")
        return ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device


def load_settings(environment: Mapping[str, str] = MappingProxyType({})) -> Settings:
    """The settings of this process, or of one whose environment has `environment` added to this one's.

    Raises:
        ConfigError: a `DINOV2_*` variable has an impossible value, or holds a credential, which is not shown.
    """
    prefix = Settings.model_config["env_prefix"]
    added = {name.removeprefix(prefix).lower(): value for name, value in environment.items() if name.startswith(prefix)}
    try:
        given: dict[str, Any] = {name: value for name, value in added.items() if name in Settings.model_fields}
        settings = Settings(**given)
    except ValidationError as error:
        lines = [f"DINOV2_{str(e['loc'][0]).upper()}: {e['input']!r}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from None
    for name in ("store", "tracking", "artifacts", "checkpoints"):
        url = getattr(settings, name)
        if why := credential_in_url(url):
            raise ConfigError(f"DINOV2_{name.upper()}: {masked(url)!r}: {why}; {CREDENTIALS}")
    return settings


def workspace() -> Path:
    """The checkout the command works in: the current folder, which must hold `params.yaml` and `dvc.yaml`.

    Raises:
        ConfigError: it does not.
    """
    root = Path.cwd()
    for name in ("params.yaml", "dvc.yaml"):
        if not (root / name).is_file():
            raise ConfigError(f"{root}: no {name} here; run this in the root of a checkout")
    return root


def origin_of(root: Path) -> Path:
    """The workspace whose run the clone `root` is of; `root` itself if it is no such clone."""
    return root.parents[len(RUNS.parts)] if root.parent.match(str(RUNS)) else root
