"""A command of this project as a part of a flow run."""

import sys
from collections.abc import Mapping, Sequence

from prefect import get_run_logger

from dinov2.runs.run import Run
from flows.failure import StageError
from flows.process import run as run_command
from flows.servers import log_of


def run_dinov2(run: Run, arguments: Sequence[str], environment: Mapping[str, str], log: str = "") -> None:
    """Run `dinov2 ...` in a run's workspace; what it says is in the run's log too.

    Args:
        run: where.
        arguments: what follows `dinov2`.
        environment: is added to this process's own.
        log: the name of the file that has it as well, where several runs share a workspace; else the command's.

    Raises:
        StageError: it did not end well.
    """
    name, tail, logger = arguments[0], list[str](), get_run_logger()

    def listen(line: str) -> None:
        tail.append(line)
        logger.info("%s", line)

    file = log_of(run.root, log or name)
    if code := run_command([sys.executable, "-m", "dinov2.cli", *arguments], run.root, file, listen, environment):
        raise StageError(name, code, file, tail)
