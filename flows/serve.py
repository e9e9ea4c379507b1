"""The process that carries out runs started from Prefect's pages: it serves the deployments of `prefect.yaml`.

var/worker.lock     held while it lives: a workspace has one worker
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from prefect import Flow, serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.flows import load_flow_from_entrypoint
from prefect.schedules import Cron, Interval, RRule, Schedule

from dinov2.config import read_yaml
from dinov2.errors import ConfigError, told_in_one_line
from dinov2.settings import workspace
from flows.deployed import flow_of
from flows.left_behind import settle
from flows.lossy import spare_output

SCHEDULES: dict[str, Callable[..., Schedule]] = {"cron": Cron, "interval": Interval, "rrule": RRule}


def deployments(root: Path) -> Iterator[RunnerDeployment]:
    """What `root`'s `prefect.yaml` lists; its keys are the arguments of Prefect's `Flow.to_deployment`.

    Raises:
        ConfigError: `prefect.yaml` is missing or lists none, a deployment lacks its name or its entrypoint, its flow is
            not called as its function, or a schedule is none of cron, interval and rrule.
    """
    path = root / "prefect.yaml"
    listed = read_yaml(path).get("deployments")
    if not listed:
        raise ConfigError(f"{path}: deployments: none is listed")
    for entry in listed:
        if missing := {"name", "entrypoint"} - entry.keys():
            raise ConfigError(f"{path}: deployments: {' and '.join(sorted(missing))} missing in {entry}")
        yield _deployment(root, dict(entry))


def _deployment(root: Path, entry: dict[str, Any]) -> RunnerDeployment:
    path, _, name = entry.pop("entrypoint").partition(":")
    flow: Flow = load_flow_from_entrypoint(f"{root / path}:{name}")
    if flow.name != flow_of(name):
        raise ConfigError(f"{root / 'prefect.yaml'}: deployments: {path}:{name}: call its flow {flow_of(name)!r}")
    if isinstance(limit := entry.get("concurrency_limit"), dict):  # as `prefect deploy` takes it
        entry["concurrency_limit"] = ConcurrencyLimitConfig.model_validate(limit)
    schedules = [_schedule(root, dict(schedule)) for schedule in entry.pop("schedules", [])]
    return cast(RunnerDeployment, flow.to_deployment(**entry, schedules=schedules))


def _schedule(root: Path, entry: dict[str, Any]) -> Schedule:
    for kind, make in SCHEDULES.items():
        if kind in entry:
            return make(entry.pop(kind), **entry)
    raise ConfigError(f"{root / 'prefect.yaml'}: schedules: {entry}: give one of {', '.join(SCHEDULES)}")


@contextmanager
def sole_worker(root: Path) -> Iterator[None]:
    """Be the worker of a workspace while the block runs; the system lets go of it when the process dies.

    Raises:
        ConfigError: it has another.
    """
    path = root / "var" / "worker.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ConfigError(f"{root}: another worker serves it (process {file.read() or 'unknown'})") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def main() -> None:
    """Serve the deployments of the current folder until SIGINT or SIGTERM."""
    spare_output()  # what runs print goes through it
    root = workspace()
    with sole_worker(root):
        served = list(deployments(root))
        settle(served)
        serve(*served, pause_on_shutdown=False)


if __name__ == "__main__":
    with told_in_one_line():
        main()
