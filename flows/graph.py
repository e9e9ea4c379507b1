"""The graph of stages, read out of `dvc.yaml` by DVC itself, and what of it is out of date."""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from dinov2.errors import ConfigError


@dataclass(frozen=True)
class Stage:
    """One stage of `dvc.yaml`, its matrix expanded."""

    name: str
    """As `dvc repro` takes it: `ingest`, `distill@S`."""
    upstream: tuple[str, ...]
    """Stages whose outputs it reads, in the order of `dvc.yaml`."""
    changed: bool
    """Whether its command, parameters, dependencies or outputs differ from `dvc.lock` at present."""


def read_graph(root: Path, targets: Sequence[str] = ()) -> list[Stage]:
    """The stages of `root`'s `dvc.yaml` that `targets` need, each after all that it reads from.

    Args:
        root: the workspace.
        targets: names of stages; `distill` stands for `distill@S` and its siblings. None means every stage.

    Raises:
        ConfigError: `dvc.yaml` cannot be read, names no such stage, or another DVC process holds its files.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            graph = repo.index.graph
            stages = [stage for stage in repo.index.stages if stage.cmd]
            status = repo.status()
    except DvcException as error:
        raise ConfigError(f"{root / 'dvc.yaml'}: {error}") from error
    upstream = {stage.name: tuple(other.name for other in stages if graph.has_edge(stage, other)) for stage in stages}
    changed = {stage.name for stage in stages if stage.addressing in status}
    needed = _with_ancestors(upstream, _expand(root, targets, list(upstream)))
    order = TopologicalSorter(upstream).static_order()
    return [Stage(name, upstream[name], name in changed) for name in order if name in needed]


def _expand(root: Path, targets: Sequence[str], names: list[str]) -> list[str]:
    found = []
    for target in targets:
        matching = [name for name in names if name == target or name.partition("@")[0] == target]
        if not matching:
            raise ConfigError(f"{root / 'dvc.yaml'}: no stage {target!r}; there are {', '.join(names)}")
        found += matching
    return found if targets else names


def _with_ancestors(upstream: dict[str, tuple[str, ...]], names: list[str]) -> set[str]:
    found: set[str] = set()
    while names:
        found |= set(names)
        names = [other for name in names for other in upstream[name] if other not in found]
    return found
