"""The way of a registered version to champion: compared, judged by the rules, and decided by a person."""

from pathlib import Path
from typing import Annotated

from prefect import flow, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from dinov2.registry.promotion.case import WAITING, Case, find_case, open_case
from dinov2.registry.promotion.comparison import Comparison
from dinov2.registry.promotion.config import load_rules
from dinov2.registry.promotion.decide import PROMOTED, REFUSED, Decision, NotPromotedError, decide, refuse_if_broken
from dinov2.runs.run import Run
from dinov2.settings import load_settings, workspace
from flows.approval import approval
from flows.artifacts.post import post
from flows.artifacts.promotion import page, promotion
from flows.command import run_dinov2
from flows.forms.shown import shown

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
FOLDER = "var/promotions"

Model = Annotated[str, shown("Registered model", "As MLflow's page of models names it.", pattern=NAME, max_length=100)]
Candidate = Annotated[
    str,
    shown(
        "Candidate",
        "Which version shall be its champion: the version's number, or an alias.",
        pattern=NAME,
        max_length=100,
    ),
]


@flow(name="promote", flow_run_name="promote-{model}-{candidate}")
def promote(model: Model = "dinov2-S", candidate: Candidate = "candidate") -> State:
    """Compare a version of a registered model with its champion, ask a person, and move the alias `champion`.

    The run leaves the worker while it waits, as long as it takes: what it waits with is in MLflow.

    Raises:
        StageError: the two cannot be compared.
        NotPromotedError: a rule is broken, or the champion has changed since the comparison.
    """
    root, settings, key = workspace(), load_settings(), str(runtime.flow_run.id)
    case = find_case(key, settings, root) or prepare(model, candidate, key, root)
    if case.state == WAITING:
        refuse_if_broken(case, settings, root)
        given = approval(page(case))
        state = decide(case, Decision(given.approve, given.name, given.reason), settings, root)
    else:
        state = case.state
    if state not in (PROMOTED, REFUSED):
        raise NotPromotedError(f"{model}: this promotion was decided already: {state}; start another")
    version = case.comparison.candidate.version
    # With its usual name: automations know a run's end by that.
    return Completed(message=f"{model} version {version}: {state}")


@task(name="compare", cache_policy=NO_CACHE)
def prepare(model: str, candidate: str, key: str, root: Path) -> Case:
    """Compare the two, keep what was found in MLflow, and show it."""
    settings, file = load_settings(), Path(FOLDER) / f"{key}.json"
    where = f"/{candidate}" if candidate.isdigit() else f"@{candidate}"
    command = ["compare", f"models:/{model}{where}", "--json", str(file)]
    run_dinov2(Run("promote", root, root), command, {}, log=f"compare-{key}")
    comparison = Comparison.model_validate_json((root / file).read_text(encoding="utf-8"))
    case = open_case(key, comparison, load_rules(root), settings, root)
    (root / file).unlink()
    post(lambda: [promotion(case, settings)])
    return case
