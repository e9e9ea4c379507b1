"""What jobs on other machines could not do: it is refused before any is launched."""

from collections.abc import Sequence
from pathlib import Path

from dinov2.curation.config import BootstrapConfig, TrainedConfig
from dinov2.data.sample import SAMPLE
from dinov2.errors import ConfigError
from dinov2.launch import shape
from dinov2.settings import Settings
from dinov2.stages.params import PARAMS, Params

READERS = ("ingest", "embed", "pack", "evaluate")
"""Stages that read images where the sources have them."""
TRAINING = ("pretrain", "highres", "distill")
"""Those that do so unless the images are packed. They need all their processes at once, and take GPUs for long."""
ALONE = ("evaluate",)
"""Stages that are the work of one process."""


def check_reach(params: Params, settings: Settings, root: Path) -> None:
    """Refuse images that jobs could not read, and a shape that a stage cannot have.

    Raises:
        ConfigError: a source or a set is a folder of this machine, or a stage of one process is to have several.
    """
    if settings.launcher == "local":
        return
    uses = (params.embed.copy_, params.embed.retrieval)
    bootstrap = any(isinstance(own, BootstrapConfig) for own in uses)
    unpacked = TRAINING if not params.pack.write else TRAINING[:1] if bootstrap else ()
    for stage in (*READERS, *unpacked):
        own = shape(stage, settings, root)
        if own.elsewhere:
            _check_sources(params, stage, own.mounts)
        if own.elsewhere and stage == "evaluate":
            _check_sets(params, own.mounts)
    learns = any(isinstance(own, TrainedConfig) and not own.weights for own in uses)
    for stage in (*ALONE, *(("embed",) if learns else ())):
        own = shape(stage, settings, root)
        if own.elsewhere and own.processes > 1:
            raise ConfigError(f"k8s/jobs.yaml: stages.{stage}: asks for {own.processes} processes; it is done by one")


def _check_sources(params: Params, stage: str, mounts: Sequence[Path]) -> None:
    for n, source in enumerate(params.ingest.sources):
        scheme, separator, place = source.uri.rpartition("://")
        if source.uri.startswith(SAMPLE) or (separator and scheme not in ("file", "local")):
            continue
        if not any(Path(place).is_relative_to(mount) for mount in mounts):
            raise ConfigError(
                f"{PARAMS}: ingest.sources[{n}].uri: {source.uri!r}: jobs of stage {stage} cannot read it; allowed: "
                "a URL such as s3://bucket/prefix, a set of the sample, or a path below a volume that k8s/jobs.yaml "
                f"mounts for stages.{stage}, which are: {', '.join(map(str, mounts)) or 'none'}"
            )


def _check_sets(params: Params, mounts: Sequence[Path]) -> None:
    for n, each in enumerate(params.evaluate.sets):
        if not any(Path(each.path).is_relative_to(mount) for mount in mounts):
            raise ConfigError(
                f"{PARAMS}: evaluate.sets[{n}].path: {each.path!r}: jobs of stage evaluate cannot read it; allowed: a "
                "path below a volume that k8s/jobs.yaml mounts for stages.evaluate, which are: "
                f"{', '.join(map(str, mounts)) or 'none'}"
            )
