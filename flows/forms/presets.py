"""What a run's parameters start from: the workspace's own params.yaml, or a whole other one of `presets/`.

A preset says how to train, the workspace on what: its images take the place of those that the preset names, which are
examples. Only the built-in sample belongs to its preset.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field

from dinov2.config import Config, parse, read_yaml
from dinov2.data.config import Role
from dinov2.data.sample import SAMPLE
from dinov2.errors import ConfigError
from dinov2.stages.adopt import source_names
from dinov2.stages.params import PARAMS, Params
from flows.forms.override import WITHOUT_LOGIN

FOLDER = "presets"
WORKSPACE = "workspace"


class Images(Config):
    """A place that images are taken from."""

    model_config = ConfigDict(title="Place")

    uri: str = Field(
        title="Place",
        description="A folder of the workspace, or a URL: s3://bucket/prefix. Also *.tar shards, and a .parquet list",
        min_length=1,
        max_length=1000,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        json_schema_extra={"position": 0, **WITHOUT_LOGIN},
    )
    role: Role = Field(
        "pool",
        title="Role",
        description="pool: uncurated; curated: trusted, what to look for; evaluation: never trained on",
        json_schema_extra={"position": 1},
    )


def preset_names(root: Path) -> list[str]:
    """The presets that there are in a workspace, its own parameters first."""
    return [WORKSPACE, *sorted(path.stem for path in (root / FOLDER).glob("*.yaml") if path.stem != WORKSPACE)]


def preset_content(root: Path, preset: str) -> dict[str, Any]:
    """What params.yaml holds with a preset.

    Args:
        root: the workspace.
        preset: one of `preset_names`.

    Raises:
        ConfigError: there is no such preset, or it or the workspace's own parameters are wrong.
    """
    names = preset_names(root)
    if preset not in names:
        raise ConfigError(f"preset: {preset!r}: no such preset; there are {', '.join(names)}")
    if preset == WORKSPACE:
        return _read(root, PARAMS)
    chosen = _read(root, f"{FOLDER}/{preset}.yaml")
    if all(source["uri"].startswith(SAMPLE) for source in chosen["ingest"]["sources"]):
        return chosen
    own = _read(root, PARAMS)
    return _with_sources(chosen, own["ingest"]["sources"], own["evaluate"].get("datasets"))


def with_images(content: dict[str, Any], images: Sequence[Images]) -> dict[str, Any]:
    """The parameters `content` with these images, evaluated on all that have labels.

    Args:
        content: a whole params.yaml.
        images: some; their sources are named as `dinov2 adopt` would.
    """
    names = source_names([own.uri for own in images])
    sources = [{"name": name, "uri": own.uri, "role": own.role} for name, own in zip(names, images, strict=True)]
    return _with_sources(content, sources, None)


def _with_sources(content: dict[str, Any], sources: Any, datasets: Any) -> dict[str, Any]:
    """Sources are named in two places: where they are listed, and where those are chosen that models are tried on."""
    evaluate = {key: value for key, value in content["evaluate"].items() if key != "datasets"}
    return {
        **content,
        "ingest": {**content["ingest"], "sources": sources},
        "evaluate": {**evaluate, **({"datasets": datasets} if datasets else {})},
    }


def _read(root: Path, name: str) -> dict[str, Any]:
    content = read_yaml(root / name)
    parse(Params, content, name if name == PARAMS else f"preset: {name}")
    return content
