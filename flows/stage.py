"""One stage of `dvc.yaml` as a Prefect task."""

import logging
import re
import sys
from collections import deque
from pathlib import Path
from typing import Literal

from prefect import get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from dinov2.errors import EXIT_USER_ERROR
from flows.process import run
from flows.servers import log_of

Outcome = Literal["ran", "restored", "up to date"]
"""`restored`: DVC had the outputs of this very work in its cache."""
TAIL_LINES = 30
RETRY_DELAY_S = 5
DVC_REFUSALS = range(251, 256)
"""Exit codes of DVC when it is not the stage's command that failed: a missing dependency, a parameter, a lock."""


class StageError(RuntimeError):
    """The message names the stage and the code, shows the end of its log and says where all of it is."""

    def __init__(self, stage: str, code: int, log: Path, tail: list[str]) -> None:
        """A stage whose own exit code was `code`."""
        super().__init__(f"stage {stage} failed with exit code {code}\n" + "\n".join(tail) + f"\nwhole log: {log}")
        self.stage, self.code = stage, code


def _worth_retrying(_task: Task, _run: TaskRun, state: State) -> bool:
    """A crash may be the machine's or the network's, and stages resume; a mistake, or DVC's refusal, stays one."""
    return isinstance(state.data, StageError) and state.data.code not in (EXIT_USER_ERROR, *DVC_REFUSALS)


@task(
    task_run_name="{stage}",
    retries=1,
    retry_delay_seconds=RETRY_DELAY_S,
    retry_condition_fn=_worth_retrying,
    cache_policy=NO_CACHE,
)
def run_stage(stage: str, upstream: list[Outcome], changed: bool, force: bool, root: Path) -> Outcome:
    """Bring one stage up to date with `dvc repro --single-item`.

    Args:
        stage: its name.
        upstream: how the stages went that it reads from.
        changed: whether it differed from `dvc.lock` before the pipeline began.
        force: run it whether it is up to date or not.
        root: the workspace.

    Raises:
        StageError: it did not end well.
    """
    if not (force or changed) and all(outcome == "up to date" for outcome in upstream):
        return "up to date"
    # Its records go to Prefect alone: the terminal has the output already, as the stage wrote it.
    logger = get_run_logger()
    _to_prefect_only("prefect.task_runs")
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    outcome: Outcome = "up to date"

    def listen(line: str) -> None:
        nonlocal outcome
        tail.append(line)
        logger.info("%s", line)
        if line.startswith(f"Running stage '{stage}'"):
            outcome = "ran"
        elif line.startswith(f"Stage '{stage}' is cached"):
            outcome = "restored"

    attempt = runtime.task_run.run_count
    print(f"\n── {stage} " + (f"(attempt {attempt}) " if attempt > 1 else "") + "─" * 60, flush=True)
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", *(["--force"] if force else []), stage]
    again = {"DINOV2_RERUN": "1"} if force else {}
    code = run(command, root, log_of(root, stage), listen, again)
    if code:
        raise StageError(stage, _own_exit_code(tail, code), log_of(root, stage), list(tail))
    return outcome


def _own_exit_code(tail: deque[str], code: int) -> int:
    """The stage's exit code, of which `dvc repro` only tells in its last message; else DVC's own."""
    found = re.findall(r", exited with (-?\d+)$", "\n".join(tail), flags=re.MULTILINE)
    return int(found[-1]) if found else code


def _to_prefect_only(name: str) -> None:
    logging.getLogger(name).propagate = False
