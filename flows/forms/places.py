"""Places that a form names: they lie in the workspace, or are URLs that lead nowhere near this machine's files."""

import re
from pathlib import Path

from dinov2.credentials import masked
from dinov2.data.sample import SAMPLE
from dinov2.errors import ConfigError
from dinov2.stages.files import training, weights
from dinov2.stages.given import MODELS
from dinov2.stages.params import Params

SCHEMES = ("s3://", "https://")
MADE = frozenset(name(run) for run in ("pretrain", "highres") for name in (weights, training))
"""Files that a teacher may be though they are not there yet."""
WILD = re.compile(r"[*?\[{]")
"""Where in the place of a source begins what stands for several files."""


def check_places(root: Path, before: Params, after: Params, field: str) -> None:
    """Refuse places that a form may not name; what the workspace names itself, in params.yaml or a preset, it may.

    Args:
        root: the workspace.
        before: the parameters without the field.
        after: with it.
        field: its name, for messages.

    Raises:
        ConfigError: a place that the field has brought lies outside the workspace, is not there, or is a URL of a kind
            that is not allowed.
    """
    known = {name for name, _ in (*_sources(before).values(), *_files(before).values())} | MADE
    for key, (place, schemes) in (_sources(after) | _files(after)).items():
        if place not in known:
            _check(root, place, schemes, f"{field}: {key}: {masked(repr(place))}")


def _sources(params: Params) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Where images come from, by dotted key, with what URLs may begin with there."""
    return {
        f"ingest.sources.{n}.uri": (source.uri, (SAMPLE, *SCHEMES)) for n, source in enumerate(params.ingest.sources)
    }


def _files(params: Params) -> dict[str, tuple[str, tuple[str, ...]]]:
    given = {key: (name, (MODELS,)) for key, name in params.given.items()}
    return given | {"distill.teacher": (params.distill.teacher, ())}


def _check(root: Path, place: str, schemes: tuple[str, ...], named: str) -> None:
    # A chain such as filecache::file:///etc leads anywhere.
    if place.startswith(schemes) and "::" not in place:
        return
    if "://" in place or "::" in place:
        raise ConfigError(f"{named}: not allowed here; allowed: {', '.join((*schemes, 'a path in the workspace'))}")
    last = place.rpartition("/")[2]
    folder = place.removesuffix(last)
    if WILD.search(folder):
        raise ConfigError(f"{named}: what stands for several names, as * does, may only be behind the last /")
    path = root / folder if WILD.search(last) else root / place
    if "\0" in place or ".." in Path(place).parts or not _is_within(root, path):
        raise ConfigError(f"{named}: lies outside the workspace")
    if path != root / place and (strays := [each for each in path.glob(_loose(last)) if not _is_within(root, each)]):
        raise ConfigError(f"{named}: lies outside the workspace: {strays[0].name}")
    if not path.exists():
        raise ConfigError(f"{named}: not there in the workspace")


def _loose(name: str) -> str:
    """A glob that matches all that a name stands for, which may have {000..009} in it."""
    return re.sub(r"\*+", "*", re.sub(r"\{[^}]*}?", "*", name))


def _is_within(root: Path, path: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())
