"""The graph of stages, read out of `dvc.yaml` by DVC itself, and what of it is out of date and why."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from dinov2.errors import ConfigError

WORDS = {"deleted": "not there", "new": "new", "not in cache": "not in DVC's cache", "modified": "changed"}
"""What DVC says of a file, in words that do not sound as if someone had done it."""


@dataclass(frozen=True)
class Stage:
    """One stage of `dvc.yaml`, its matrix expanded."""

    name: str
    """As `dvc repro` takes it: `ingest`, `distill@S`."""
    upstream: tuple[str, ...]
    """Stages whose outputs it reads, in the order of `dvc.yaml`."""
    reasons: tuple[str, ...]
    """In which its command, parameters, dependencies or outputs differ from `dvc.lock` at present; none if in none."""
    cached: bool
    """Whether DVC's cache has the outputs of just this command, with the present parameters and dependencies."""

    @property
    def changed(self) -> bool:
        """Whether it differs from `dvc.lock` at all."""
        return bool(self.reasons)


def read_graph(root: Path, targets: Sequence[str] = ()) -> list[Stage]:
    """The stages of `root`'s `dvc.yaml` that `targets` need, each after all that it reads from.

    Args:
        root: the workspace.
        targets: names of stages; `distill` stands for `distill@S` and its siblings. None means every stage.

    Raises:
        ConfigError: `dvc.yaml` cannot be read, names no such stage, or another DVC process holds its files.
    """
    from dvc.exceptions import DvcException
    from dvc.logger import set_loggers_level
    from dvc.repo import Repo

    try:
        # What is cached DVC seeks from the current folder, and says on standard output.
        with chdir(root), set_loggers_level(logging.WARNING), Repo(str(root)) as repo:
            graph = repo.index.graph
            stages = [stage for stage in repo.index.stages if stage.cmd]
            status = repo.status()
            made = {str(out) for stage in stages for out in stage.outs}
            reasons = {stage.name: tuple(_reasons(stage, status.get(stage.addressing, []), made)) for stage in stages}
            cached = {stage.name: bool(reasons[stage.name]) and _cached(stage) for stage in stages}
    except DvcException as error:
        raise ConfigError(f"{root / 'dvc.yaml'}: {error}") from error
    upstream = {stage.name: tuple(other.name for other in stages if graph.has_edge(stage, other)) for stage in stages}
    needed = _with_ancestors(upstream, _expand(root, targets, list(upstream)))
    order = TopologicalSorter(upstream).static_order()
    return [Stage(name, upstream[name], reasons[name], cached[name]) for name in order if name in needed]


def _reasons(stage: Any, status: list[Any], made: set[str]) -> Iterator[str]:
    """What `dvc status` says of a stage, in words; `made` are the outputs of all stages."""
    if not any(out.hash_info for out in stage.outs):
        yield "has not run yet"
        absent = (str(dep) for dep in stage.deps if not dep.exists)
        for name in absent:
            if not any(other == name or other.startswith(f"{name}/") for other in made):
                yield f"{name}: {WORDS['deleted']}"
        return
    parameters = {str(dep): dep for dep in stage.deps if dep.hash_name == "params"}
    for entry in status:
        if not isinstance(entry, dict):
            yield entry.replace("changed command", "its command changed")
            continue
        for name, what in next(iter(entry.values())).items():
            if isinstance(what, dict):
                yield from _differences(parameters[name].hash_info.value, parameters[name].read_params())
            else:
                yield f"{name}: {WORDS.get(what, what)}"


def _differences(before: Any, after: Any, key: str = "") -> Iterator[str]:
    """The parameters, by dotted name, that differ."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in [*after, *(name for name in before if name not in after)]:
            yield from _differences(before.get(name), after.get(name), f"{key}.{name}".lstrip("."))
    elif _plain(before) != _plain(after):
        yield f"{key}: {_plain(before)} → {_plain(after)}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _cached(stage: Any) -> bool:
    """Whether `dvc repro` would restore the outputs rather than run the stage."""
    from dvc.stage.cache import RunCacheNotFoundError

    if not all(dependency.exists for dependency in stage.deps):
        return False
    if stage.already_cached():
        return True
    # As `dvc repro` does, which looks up the present dependencies among all that ever ran. None of it is written.
    stage.save_deps()
    stage.cmd_changed = True
    try:
        stage.repo.stage_cache.restore(stage, dry=True)
    except RunCacheNotFoundError:
        return False
    return True


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
