"""Decisions about the champion. Each is written down before anything moves, and can be made again after a crash."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dinov2.errors import UserError
from dinov2.registry.client import connect, waited_for
from dinov2.registry.promotion.case import KEY, STATE, WAITING, Case
from dinov2.registry.promotion.config import RULES
from dinov2.registry.promotion.contenders import CHAMPION, PREVIOUS, aliases
from dinov2.registry.promotion.notes import DECISION_FILE, note, now, spelt
from dinov2.registry.promotion.turn import one_at_a_time
from dinov2.registry.promotion.verdict import broken
from dinov2.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

PROMOTED, REFUSED, BROKEN, OVERTAKEN = "promoted", "refused", "refused by the rules", "overtaken"

DECISION = f"{KEY}.decision"
"""Tag of a case, set once all else about its decision is written down."""


class NotPromotedError(UserError):
    """The champion stays; the message says why."""


@dataclass(frozen=True)
class Decision:
    """What a person decided.

    Attributes:
        approved: whether the candidate shall be the champion.
        who: the person's name.
        why: in their words.
    """

    approved: bool
    who: str
    why: str


def decide(case: Case, decision: Decision, settings: Settings, root: Path) -> str:
    """Do what a person decided: promoted, the candidate is `champion`, and who was is `previous_champion`.

    A case that is decided stays so. After a crash in the middle of a promotion any decision goes on with that one.

    Returns:
        The state of the case, "promoted" or "refused".

    Raises:
        NotPromotedError: it was approved, but a rule is broken, or another version has become champion since it was
            compared; that is written down too.
        UnreachableError: MLflow stays away.
    """
    if case.state != WAITING:
        return case.state
    client = connect(settings, root)
    decision = waited_for(lambda: _under_way(client, case), settings, root) or decision
    if not decision.approved:
        _conclude(client, case, REFUSED, decision, settings, root)
        return REFUSED
    refuse_if_broken(case, settings, root)
    with one_at_a_time(root):
        return _promote(client, case, decision, settings, root)


def _under_way(client: "MlflowClient", case: Case) -> Decision | None:
    """The decision to promote that was written down already, and was cut short."""
    tags = client.get_run(case.run_id).data.tags
    if tags.get(DECISION) != PROMOTED:
        return None
    return Decision(True, tags[f"{KEY}.who"], tags[f"{KEY}.why"])


def _promote(client: "MlflowClient", case: Case, decision: Decision, settings: Settings, root: Path) -> str:
    model, version = case.comparison.candidate.model, case.comparison.candidate.version
    compared = case.comparison.champion.version if case.comparison.champion else None
    present = aliases(model, settings, root).get(CHAMPION)
    if present not in (compared, version):
        why = f"{model}: the champion is {spelt(present)} now, compared was {spelt(compared)}; run `promote` again"
        _conclude(client, case, OVERTAKEN, Decision(False, decision.who, why), settings, root)
        raise NotPromotedError(why)
    waited_for(lambda: _write_down(client, case, PROMOTED, decision), settings, root)
    if present != version:
        if compared:  # first, so that a crash in between leaves a champion and a version to go back to
            waited_for(lambda: client.set_registered_model_alias(model, PREVIOUS, compared), settings, root)
        waited_for(lambda: client.set_registered_model_alias(model, CHAMPION, version), settings, root)
    _conclude(client, case, PROMOTED, decision, settings, root)
    return PROMOTED


def refuse_if_broken(case: Case, settings: Settings, root: Path) -> None:
    """Write down that the rules refuse a candidate, if they do.

    Raises:
        NotPromotedError: they do; the message has every reason.
        UnreachableError: MLflow stays away.
    """
    if not (reasons := broken(case.findings)):
        return
    why = "; ".join(reasons)
    _conclude(connect(settings, root), case, BROKEN, Decision(False, RULES, why), settings, root)
    candidate = case.comparison.candidate
    raise NotPromotedError(f"{candidate.model} version {candidate.version} breaks {RULES}: {why}")


def _conclude(
    client: "MlflowClient", case: Case, state: str, decision: Decision, settings: Settings, root: Path
) -> None:
    """Write down how a case was decided, with its run and with the candidate, and close it."""
    candidate, time = case.comparison.candidate, now()
    said = f"{state} by {decision.who}: {decision.why}"

    def act() -> None:
        _write_down(client, case, state, decision)
        note(client, candidate.model, candidate.version, time, said, case.run_id)
        client.set_tag(case.run_id, STATE, state)
        client.set_terminated(case.run_id)

    waited_for(act, settings, root)


def _write_down(client: "MlflowClient", case: Case, state: str, decision: Decision) -> None:
    content: dict[str, Any] = {
        "decision": state,
        "who": decision.who,
        "why": decision.why,
        "time": now(),
        "rules": case.rules.model_dump(mode="json"),
        "rules_digest": case.rules_digest,
        "findings": [vars(finding) for finding in case.findings],
        "comparison": case.comparison.model_dump(mode="json"),
    }
    client.log_dict(case.run_id, content, DECISION_FILE)
    for name, value in (("who", decision.who), ("why", decision.why), ("rules", case.rules_digest)):
        client.set_tag(case.run_id, f"{KEY}.{name}", value)
    client.set_tag(case.run_id, DECISION, state)
