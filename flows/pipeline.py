"""The pipeline: every stage of `dvc.yaml`, in order, as a flow. `python -m flows.pipeline [STAGE...] [--force]`."""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field
from rich.console import Console
from rich.table import Table

from dinov2.errors import EXIT_USER_ERROR, UserError
from dinov2.stages.context import open_workspace
from dinov2.stages.graph import read_graph
from flows.locks import clear_stale_dvc_locks, sole_pipeline
from flows.servers import ServerError, ensure_prefect
from flows.stage import StageError, run_stage

Targets = Annotated[
    tuple[str, ...],
    Field(
        title="Stages",
        description="Stages to bring up to date, with all that they need; none means every stage.",
        json_schema_extra={"position": 0},
    ),
]
Force = Annotated[
    bool,
    Field(
        title="Run again",
        description="Run the stages even if nothing that they depend on has changed.",
        json_schema_extra={"position": 1},
    ),
]


@dataclass(frozen=True)
class Timed:
    """How one stage went, and for how long."""

    stage: str
    state: State
    seconds: float


@flow(name="pipeline")
def pipeline(targets: Targets = (), force: Force = False) -> None:
    """Bring the workspace (the current folder) up to date, one stage after another.

    A stage that fails takes with it only what reads from it. Outputs and `dvc.lock` are those of `dvc repro`.

    Raises:
        ConfigError: a parameter is wrong, a stage unknown, or another pipeline runs here; nothing has run.
        StageError: a stage failed (the first that did).
    """
    logging.getLogger("prefect.flow_runs").propagate = False
    root = open_workspace().root
    with sole_pipeline(root):
        clear_stale_dvc_locks(root)
        done: dict[str, Timed] = {}
        for stage in read_graph(root, targets):
            started = time.monotonic()
            states = [done[name].state for name in stage.upstream]
            state = run_stage(stage.name, states, stage.changed, force, root, return_state=True)
            done[stage.name] = Timed(stage.name, state, time.monotonic() - started)
    _report(root, list(done.values()))
    for timed in done.values():
        if timed.state.is_failed():
            timed.state.result()


def _report(root: Path, stages: Sequence[Timed]) -> None:
    table = Table("stage", "", "time", box=None, header_style="bold")
    for timed in stages:
        state = timed.state
        outcome = state.result() if state.is_completed() else "failed" if state.is_failed() else "not run"
        table.add_row(timed.stage, outcome, f"{timed.seconds:.1f} s")
    table.add_row("total", "", f"{sum(timed.seconds for timed in stages):.1f} s", style="bold")
    console = Console()
    console.print()
    console.print(table)
    report = root / "reports" / "index.html"
    if report.is_file():
        console.print(f"\nReport: {report}", soft_wrap=True)
    console.print("Runs, curves and models: `make up` starts Prefect and MLflow and gives their addresses.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the pipeline in the current folder; 0, or 2 for the user's own mistake, 1 for a failed stage."""
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description=pipeline.__doc__)
    parser.add_argument("stages", nargs="*", help="bring only these up to date, and what they need")
    parser.add_argument("--force", action="store_true", help="run them even if nothing has changed")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        ensure_prefect(open_workspace().root)
        pipeline(tuple(options.stages), options.force)
    except UserError as error:
        print(error, file=sys.stderr)
        return EXIT_USER_ERROR
    except StageError as error:
        print(f"\n{error}", file=sys.stderr)
        return EXIT_USER_ERROR if error.code == EXIT_USER_ERROR else 1
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the next run goes on from here", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
