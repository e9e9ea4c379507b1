"""What a run tells in a sentence: on its terminal, and in its log in Prefect's pages."""

import logging
from collections.abc import Callable

from prefect import get_run_logger, runtime


def only_once() -> None:
    """Have the records of flows go to Prefect alone: the terminal has them already, as they were printed."""
    logging.getLogger("prefect.flow_runs").propagate = False


def say(text: str) -> None:
    """Tell it."""
    print(text, flush=True)
    get_run_logger().info("%s", text)


def patience() -> Callable[[str], None] | None:
    """How a run of a deployment tells for whom it waits; None for any other run, which is not to wait."""
    return (lambda holder: say(f"this workspace is in use: waiting for {holder}")) if runtime.deployment.id else None
