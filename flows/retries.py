"""When a stage that failed is tried again, and after how long."""

import errno
from collections import Counter

from prefect import get_run_logger
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task
from pydantic import ValidationError

from dinov2.errors import EXIT_AGAIN, EXIT_USER_ERROR
from dinov2.settings import Settings
from flows.failure import StageError
from flows.quota import QuotaError

DVC_REFUSALS = range(251, 256)
"""Exit codes of DVC when it is not the stage's command that failed: a missing dependency, a parameter, a lock."""
MOST_CRASHES = 3
"""Times that a stage which crashed is tried again."""
MOST = 50
"""Times in all: one that was told to stop has saved its state, and goes on from there each time."""
FULL = (errno.ENOSPC, errno.EDQUOT)
LONGEST_S = 300.0
JITTER = 0.3
"""Share of a delay by which it may be longer: runs that one outage ended do not all come back at once."""

_crashes: Counter[str] = Counter()


def delays() -> list[float]:
    """Seconds before each retry: DINOV2_RETRY_SECONDS and twice as long each time, up to five minutes."""
    try:
        first = Settings().retry_seconds
    except ValidationError:  # told as soon as a flow reads its settings
        first = float(Settings.model_fields["retry_seconds"].default)
    return [min(first * 2.0**number, LONGEST_S) for number in range(MOST)]


def worth_retrying(_task: Task, run: TaskRun, state: State) -> bool:
    """A crash may be the machine's or the network's, and stages resume; a mistake, or DVC's refusal, stays one."""
    error = state.data
    if isinstance(error, StageError) and error.code == EXIT_AGAIN:
        return True
    if not _may_pass(error):
        return False
    _crashes[str(run.id)] += 1
    count = _crashes[str(run.id)]
    get_run_logger().warning("failed %d of at most %d times", count, MOST_CRASHES + 1)
    return count <= MOST_CRASHES


def _may_pass(error: object) -> bool:
    if isinstance(error, StageError):
        return error.code not in (EXIT_USER_ERROR, *DVC_REFUSALS)
    return isinstance(error, QuotaError) or (isinstance(error, OSError) and error.errno in FULL)
