"""What a run was: its stages, how long they took and what they cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prefect import runtime
from prefect.client.schemas.actions import ArtifactCreate

from dinov2.runs.bill import cost_in, ledger
from dinov2.runs.cost import Cost
from dinov2.settings import Settings, load_settings
from dinov2.stages import files
from flows.artifacts.ended import clock, spent
from flows.artifacts.links import mlflow_pages
from flows.artifacts.markdown import bullets, code, link, table, text
from flows.artifacts.post import key, markdown, post

if TYPE_CHECKING:
    from dinov2.runs.run import Run
    from flows.stage import Timed

KEY = "run"


def summary(run: "Run", stages: Sequence["Timed"]) -> None:
    """Show a run's stages with their outcome, time, GPU-hours and cost, and where to look further.

    Args:
        run: the workspace that they ran in.
        stages: in the order in which they went.
    """
    settings, taken = load_settings(), taken_by(run.root)
    post(lambda: [page(run, stages, taken, settings)])


def taken_by(root: Path) -> Path:
    """Where is noted what the stages of this flow run took, also of earlier attempts at it."""
    return ledger(root, runtime.flow_run.id or runtime.task_run.id)


def page(run: "Run", stages: Sequence["Timed"], taken: Path, settings: Settings) -> ArtifactCreate:
    """The page of a run; `taken` is where it is noted what its stages took."""
    costs = {timed.stage: cost_in(taken, timed.stage) for timed in stages}
    rows = [
        (timed.stage, timed.outcome, clock(timed.seconds), *spent(costs[timed.stage], settings).values())
        for timed in stages
    ]
    total = sum(costs.values(), Cost())
    rows.append(("total", "", clock(sum(timed.seconds for timed in stages)), *spent(total, settings).values()))
    failed = [timed.stage for timed in stages if timed.state.is_failed()]
    came = f"{', '.join(failed)} failed" if failed else "all stages are up to date"
    title = f"{text(run.name)}: {text(came)}"
    lines = [f"Workspace: {code(run.root)}"]
    if (run.root / files.REPORT).is_file():
        lines.append(f"Report: {code(run.root / files.REPORT)}")
    if pages := mlflow_pages(settings):
        lines.append(f"Runs and models: {link('MLflow', pages)}")
    header = ("stage", "", "time", *spent(total, settings))
    parts = [f"# {title}", table(header, rows), bullets(lines)]
    return markdown(key(KEY), "\n\n".join(parts), title)
