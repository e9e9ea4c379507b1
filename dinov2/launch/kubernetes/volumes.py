"""Parts of a pod that k8s/jobs.yaml spells as Kubernetes does."""

from typing import Literal, Self

from pydantic import ConfigDict, NonNegativeInt, field_validator, model_validator
from pydantic.alias_generators import to_camel

from dinov2.config import Config
from dinov2.launch.kubernetes.values import DnsLabel, Key, LabelValue, Manifest, Text

WORKSPACE, SCRATCH, MEMORY = "/workspace", "/scratch", "shared-memory"
PLACES = {"workspace": WORKSPACE, "scratch": SCRATCH, MEMORY: "/dev/shm"}
"""Volumes that every worker has, and where. Not /tmp: TMPDIR points to the scratch folder."""


class Spelt(Config):
    """Its keys are Kubernetes' own, such as mountPath."""

    model_config = ConfigDict(alias_generator=to_camel)

    def manifest(self) -> Manifest:
        """As it stands in a manifest."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Toleration(Spelt):
    """A taint that does not keep pods from a node."""

    key: Key | None = None
    operator: Literal["Exists", "Equal", "Lt", "Gt"] | None = None
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: NonNegativeInt | None = None


class Volume(Spelt):
    """A name and one source; the sources' own keys are the API server's to check."""

    name: DnsLabel
    config_map: Manifest | None = None
    csi: Manifest | None = None
    empty_dir: Manifest | None = None
    ephemeral: Manifest | None = None
    host_path: Manifest | None = None
    nfs: Manifest | None = None
    persistent_volume_claim: Manifest | None = None
    projected: Manifest | None = None
    secret: Manifest | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.name in PLACES:
            raise ValueError(f"name: {self.name!r}: every worker has that one already")
        if len(self.manifest()) != 2:
            sources = [to_camel(name) for name in type(self).model_fields if name != "name"]
            raise ValueError(f"{self.name}: wants one of: {', '.join(sources)}")
        return self


class VolumeMount(Spelt):
    """Where a volume lies in a worker."""

    name: DnsLabel
    mount_path: Text
    sub_path: Text | None = None
    read_only: bool | None = None

    @field_validator("mount_path")
    @classmethod
    def _free(cls, path: str) -> str:
        if not path.startswith("/") or path.rstrip("/") in ("", *PLACES.values()):
            raise ValueError(f"must be absolute, and none of {', '.join(PLACES.values())}")
        return path
