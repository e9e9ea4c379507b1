"""One stage of `dvc.yaml` as a Prefect task."""

import logging
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from prefect import get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from dinov2.launch import shape
from dinov2.launch.taken import TAKEN
from dinov2.progress import CHANNEL
from dinov2.runs.bill import Bill
from dinov2.runs.gpus import gpus_of
from dinov2.settings import load_settings
from dinov2.stages.reach import TRAINING
from flows.artifacts.completed import completed
from flows.artifacts.ended import Ended
from flows.artifacts.failed import failed
from flows.artifacts.post import post
from flows.artifacts.progress import progress_of
from flows.artifacts.summary import taken_by
from flows.failure import StageError
from flows.process import run
from flows.quota import held
from flows.retries import JITTER, MOST, delays, worth_retrying
from flows.said import Outcome, Said
from flows.servers import log_of


@dataclass(frozen=True)
class Timed:
    """How one stage went, and for how long."""

    stage: str
    state: State
    seconds: float

    @property
    def outcome(self) -> str:
        """In a word or two."""
        if self.state.is_completed():
            return str(self.state.result())
        return "failed" if self.state.is_failed() else "not run"


@task(
    task_run_name="{stage}",
    retries=MOST,
    retry_delay_seconds=delays(),
    retry_jitter_factor=JITTER,
    retry_condition_fn=worth_retrying,
    cache_policy=NO_CACHE,
)
def run_stage(
    stage: str,
    upstream: list[Outcome],
    changed: bool,
    force: bool,
    root: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Outcome:
    """Bring one stage up to date with `dvc repro --single-item`, and leave in Prefect's pages what came of it.

    `flows.artifacts.summary` waits until that is there.

    Args:
        stage: its name.
        upstream: how the stages went that it reads from.
        changed: whether it differed from `dvc.lock` before the pipeline began.
        force: run it whether it is up to date or not.
        root: the workspace.
        environment: is added to this process's own.

    Raises:
        StageError: it did not end well.
        ConfigError: a setting is wrong, or it asks for more GPUs than there may be.
        QuotaError: Prefect's server could not be asked for GPUs.
    """
    if not (force or changed) and all(outcome == "up to date" for outcome in upstream):
        return "up to date"
    # Its records go to Prefect alone: the terminal has the output already, as the stage wrote it.
    logging.getLogger("prefect.task_runs").propagate = False
    settings, name = load_settings(environment), stage.partition("@")[0]
    gpus, said = gpus_of(stage, settings, root), Said(stage, get_run_logger())
    bill = Bill(taken_by(root), stage, gpus, shape(name, settings, root).elsewhere)
    progress = log_of(root, stage).with_suffix(".progress.json")
    told = {**environment, CHANNEL: str(progress), TAKEN: str(bill.notes)}
    number, began = runtime.task_run.run_count, time.monotonic()
    nth = f" (attempt {number})" if number > 1 else ""

    def ended(outcome: str) -> Ended:
        return Ended(root, stage, outcome, time.monotonic() - began, bill.cost(), said.lines, settings)

    print(f"\n── {stage}{nth} " + "─" * 60, flush=True)
    try:
        with held(gpus if name in TRAINING else 0), progress_of(stage, progress):
            began = time.monotonic()
            _repro(stage, force, root, told, said, bill)
    except StageError as error:
        post(partial(failed, ended(f"failed with exit code {error.code}{nth}"), error), wait=False)
        raise
    if said.outcome != "up to date":
        post(partial(completed, ended(said.outcome)), wait=False)
    return said.outcome


def _repro(stage: str, force: bool, root: Path, environment: Mapping[str, str], said: Said, bill: Bill) -> None:
    began, code = time.monotonic(), -1
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", *(["--force"] if force else []), stage]
    # Its jobs are run again once, though the stage may be tried several times.
    again = {"DINOV2_RERUN": "1", "DINOV2_RERUN_FOR": str(runtime.flow_run.id)}
    told = {**environment, **(again if force else {})}
    try:
        code = run(command, root, log_of(root, stage), said.listen, told)
    finally:
        bill.add(time.monotonic() - began, ran=said.outcome == "ran", well=code == 0)
    if code:
        raise StageError(stage, _own_exit_code(said.tail, code), log_of(root, stage), list(said.tail))


def _own_exit_code(tail: Sequence[str], code: int) -> int:
    """The stage's exit code, of which `dvc repro` only tells in its last message; else DVC's own."""
    found = re.findall(r", exited with (-?\d+)$", "\n".join(tail), flags=re.MULTILINE)
    return int(found[-1]) if found else code
