"""Rules of data quality: what a re-curation must keep to if it is to count; `rules.yaml`, section `quality`."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from dinov2.config import Config, parse_section
from dinov2.data.config import SourceConfig
from dinov2.stages.files import metrics

RULES = "rules.yaml"
SECTION = "quality"
STAGES = ("ingest", "deduplicate", "retrieve")
"""Whose figures are judged."""

Figure = Mapping[str, Any]


class QualityConfig(Config):
    """Limits, shares between 0 and 1; each holds for every source by itself."""

    rejects: float = Field(ge=0, le=1, description="most of a source's files that may be unusable")
    duplicates: float = Field(ge=0, le=1, description="most of its training images that may be copies")
    shrinkage: float = Field(ge=0, le=1, description="most that it may lose against the last re-curation that counts")


@dataclass(frozen=True)
class Figures:
    """What the stages counted: their metrics as they wrote them."""

    ingest: Figure
    deduplicate: Figure
    retrieve: Figure


def load_rules(root: Path) -> QualityConfig:
    """The limits of a workspace.

    Raises:
        ConfigError: `rules.yaml` or the section is missing, or a limit is none.
    """
    return parse_section(QualityConfig, root / RULES, SECTION)


def figures_of(root: Path) -> Figures:
    """What the stages of a workspace counted.

    Raises:
        FileNotFoundError: a stage has not run.
    """
    return Figures(**{stage: json.loads((root / metrics(stage)).read_text(encoding="utf-8")) for stage in STAGES})


def check(
    rules: QualityConfig, sources: Sequence[SourceConfig], now: Figures, before: Figures | None = None
) -> list[str]:
    """Which rules are broken, in words, with the figure and the limit; none if all is well.

    A figure that is missing breaks its rule. Of a source that `before` does not know, and of one that the parameters
    no longer have, nothing is asked: somebody has decided that.

    Args:
        rules: the limits.
        sources: of the parameters.
        now: what was counted.
        before: what the last re-curation that counts had counted; None if there is none.
    """
    return [broken for source in sources for broken in _of_a_source(rules, source, now, before)]


def _of_a_source(rules: QualityConfig, source: SourceConfig, now: Figures, before: Figures | None) -> Iterator[str]:
    trained_on = source.role != "evaluation"
    yield from _share("rejects", rules.rejects, source.name, "files are unusable", *_rejected(now, source.name))
    if trained_on:
        copies = _copies(now, source.name)
        yield from _share("duplicates", rules.duplicates, source.name, "training images are copies", *copies)
    if before is None or source.name not in _sources(before.ingest, otherwise=[source.name]):
        return
    usable = (_usable(found, source.name) for found in (before, now))
    yield from _shrunk(rules.shrinkage, source.name, "usable images", *usable)
    if trained_on:
        chosen = (_chosen(found, source.name) for found in (before, now))
        yield from _shrunk(rules.shrinkage, source.name, "training images", *chosen)


def _sources(found: Figure, otherwise: Collection[str]) -> Collection[str]:
    """Names of the sources that a stage has counted."""
    sources = found.get("sources")
    return sources if isinstance(sources, Mapping) else otherwise


def _shrunk(limit: float, source: str, what: str, old: int | None, new: int | None) -> Iterator[str]:
    if old is None or new is None:
        yield f"shrinkage: source {source}: how many {what} there {'were' if old is None else 'are'} is not known"
    elif old - new > limit * old:
        less = f"{new} {what} where there were {old}, {1 - new / old:.1%} less"
        yield f"shrinkage: source {source}: {less}; allowed are {limit:.1%}"


def _share(rule: str, limit: float, source: str, what: str, part: int | None, of: int | None) -> Iterator[str]:
    if part is None or not of:
        yield f"{rule}: source {source}: the figure is missing"
    elif part > limit * of:
        yield f"{rule}: source {source}: {part} of {of} {what}, {part / of:.1%}; allowed are {limit:.1%}"


def _rejected(found: Figures, source: str) -> tuple[int | None, int | None]:
    """Files of a source that are unusable, and all of its files."""
    rejected, images = (_number(found.ingest, "sources", source, name) for name in ("rejected", "images"))
    return rejected, None if rejected is None or images is None else rejected + images


def _copies(found: Figures, source: str) -> tuple[int | None, int | None]:
    """Training images of a source that are left out as copies, of each other or of evaluation images, and all."""
    kept, self, leaks = (_number(found.deduplicate, "sources", source, name) for name in ("kept", "self", "evaluation"))
    if kept is None or self is None or leaks is None:
        return None, None
    return self + leaks, kept + self + leaks


def _usable(found: Figures, source: str) -> int | None:
    return _number(found.ingest, "sources", source, "images")


def _chosen(found: Figures, source: str) -> int | None:
    """Images of a source in the training set, where one of which there are none is not listed."""
    if source not in _sources(found.retrieve, otherwise=[source]):
        return 0
    return _number(found.retrieve, "sources", source)


def _number(found: Figure, *names: str) -> int | None:
    """The whole number at this place; None if there is nothing, or something else."""
    at: Any = found
    for name in names:
        at = at.get(name) if isinstance(at, Mapping) else None
    return at if isinstance(at, int) and not isinstance(at, bool) else None
