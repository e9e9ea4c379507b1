"""The way back: the previous champion is champion again."""

from pathlib import Path

from dinov2.errors import UserError
from dinov2.registry.client import connect, waited_for
from dinov2.registry.promotion.case import KEY, STATE, begin
from dinov2.registry.promotion.contenders import CHAMPION, PREVIOUS, aliases, registered
from dinov2.registry.promotion.notes import DECISION_FILE, note, now, spelt
from dinov2.registry.promotion.turn import one_at_a_time
from dinov2.settings import Settings

ROLLED_BACK = "rolled back"


def rollback(model: str, who: str, why: str, settings: Settings, root: Path) -> tuple[str, str]:
    """Make the previous champion champion again, and write down who wanted it, why, and both versions' figures.

    Args:
        model: name of the registered model.
        who: a person's name.
        why: in their words.
        settings: say where MLflow is.
        root: the workspace, which relative places are taken from.

    Returns:
        The versions that were champion before and are champion now.

    Raises:
        UserError: there is no such model, no champion, or no other version to go back to; the name or the reason is
            empty.
        UnreachableError: MLflow stays away.
    """
    if not who.strip() or not why.strip():
        raise UserError(f"{model}: by {who!r}, because {why!r}: a decision is kept with a name and a reason")
    with one_at_a_time(root):
        return _roll_back(model, who, why, settings, root)


def _roll_back(model: str, who: str, why: str, settings: Settings, root: Path) -> tuple[str, str]:
    present = aliases(model, settings, root)
    champion, previous = present.get(CHAMPION), present.get(PREVIOUS)
    if not champion or not previous:
        there = f"{CHAMPION} is {spelt(champion)}, {PREVIOUS} {spelt(previous)}"
        raise UserError(f"{model}: there is nothing to go back to: {there}")
    if champion == previous:
        raise UserError(f"{model}: version {champion} is {CHAMPION} and {PREVIOUS}: it has been rolled back already")
    client, moment = connect(settings, root), now()
    tags = {STATE: ROLLED_BACK, f"{KEY}.model": model, f"{KEY}.candidate": previous, f"{KEY}.champion": champion}
    tags |= {f"{KEY}.who": who, f"{KEY}.why": why}
    content = {"decision": ROLLED_BACK, "model": model, "from": champion, "to": previous, "who": who, "why": why}
    figures = {version: registered(model, version, settings, root) for version in (champion, previous)}
    name = f"roll back {model} to version {previous}"
    run_id = waited_for(lambda: begin(client, name, tags, settings, root), settings, root).info.run_id
    said = f"{ROLLED_BACK} from version {champion} to {previous} by {who}: {why}"

    def act() -> None:
        client.log_dict(run_id, content | {"time": moment, "figures": figures}, DECISION_FILE)
        client.set_registered_model_alias(model, CHAMPION, previous)
        for version in (champion, previous):
            note(client, model, version, moment, said, run_id)
        client.set_terminated(run_id)

    waited_for(act, settings, root)
    return champion, previous
