"""`k8s/jobs.yaml`: what the jobs of each stage ask of the cluster. It decides where they run, never what they give."""

from pathlib import Path
from types import NoneType
from typing import Any, Literal

from pydantic import Field

from dinov2.config import Config, parse, read_yaml
from dinov2.errors import ConfigError
from dinov2.launch.kubernetes.names import job_name
from dinov2.launch.kubernetes.stage import StageConfig
from dinov2.launch.kubernetes.values import DnsLabel, DnsName, Text

__all__ = ["JOBS", "JobsConfig", "StageConfig", "job_name", "load_jobs"]

JOBS = "k8s/jobs.yaml"


class JobsConfig(Config):
    """All of it; `stages` hold the defaults too, where their own sections do not say otherwise."""

    namespace: DnsLabel = "dinov2"
    image: Text
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: list[DnsName] = Field([])
    service_account: DnsName = Field("dinov2-job", description="of the pods; it needs no rights")
    defaults: StageConfig = StageConfig()
    stages: dict[str, StageConfig] = Field({})

    def of(self, stage: str) -> StageConfig:
        """What the jobs of a stage ask for: the defaults, if it has no section."""
        return self.stages.get(stage, self.defaults)

    def lists(self, stage: str) -> bool:
        """Whether the stage has a section."""
        return stage in self.stages


def load_jobs(root: Path) -> JobsConfig:
    """`k8s/jobs.yaml` of a workspace.

    Raises:
        ConfigError: it is missing, or a key is unknown or has an impossible value; a line for each.
    """
    content = read_yaml(root / JOBS)
    sections = content.get("stages") or {}
    shared = parse(JobsConfig, content | {"stages": {}}, JOBS)
    if not isinstance(sections, dict):
        raise ConfigError(f"{JOBS}: stages: {sections!r}: expected a section for each stage")
    _known(sections, root)
    stages = {stage: _section(stage, own, content.get("defaults", {})) for stage, own in sections.items()}
    return shared.model_copy(update={"stages": stages})


def _section(stage: str, own: Any, defaults: dict[str, Any]) -> StageConfig:
    """A section over the defaults: its mappings are added to theirs, anything else replaces."""
    if not isinstance(own, dict | NoneType):
        raise ConfigError(f"{JOBS}: stages.{stage}: {own!r}: expected a mapping of keys")
    content = dict(defaults)
    for key, value in (own or {}).items():
        both = isinstance(value, dict) and isinstance(content.get(key), dict)
        content[key] = content[key] | value if both else value
    return parse(StageConfig, content, f"{JOBS}: stages.{stage}")


def _known(sections: dict[str, Any], root: Path) -> None:
    """Refuse a section of a stage that dvc.yaml does not have, which would never be used."""
    if not (root / "dvc.yaml").is_file():
        return
    stages = list(read_yaml(root / "dvc.yaml").get("stages", {}))
    if unknown := [name for name in sections if name not in stages]:
        raise ConfigError(f"{JOBS}: stages.{unknown[0]}: no such stage; dvc.yaml has: {', '.join(stages)}")
