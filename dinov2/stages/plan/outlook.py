"""Which stages `dvc repro` would run, in its order, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dinov2.stages.graph import Stage

Outcome = Literal["run", "restore", "follow"]


@dataclass(frozen=True)
class Outlook:
    """What would become of a stage that is not up to date.

    Attributes:
        name: as `dvc repro` takes it: `ingest`, `distill@S`.
        outcome: `restore`: DVC's cache has the outputs of this very work. `follow`: of itself it is up to date, and it
            runs if the stages that it comes after make other files than there are now.
        why: what differs from the last time, and the stages that it reads from and that come first.
        made: whether all that it reads is there as it will be.
    """

    name: str
    outcome: Outcome
    why: tuple[str, ...]
    made: bool

    @property
    def stage(self) -> str:
        """Its name in dvc.yaml."""
        return self.name.partition("@")[0]

    @property
    def item(self) -> tuple[str, ...]:
        """Which one of a matrix it is, if it is of one."""
        return tuple(self.name.split("@")[1:])


def outlooks(stages: Sequence[Stage]) -> list[Outlook]:
    """Those of `stages`, each of which comes after what it reads from, that are not up to date."""
    found: dict[str, Outlook] = {}
    for stage in stages:
        before = [name for name in stage.upstream if name in found]
        if not (stage.changed or before):
            continue
        outcome: Outcome = "run" if stage.changed else "follow"
        if stage.cached and not before:
            outcome = "restore"
        why = (*stage.reasons, *([f"after {', '.join(before)}"] if before else []))
        found[stage.name] = Outlook(stage.name, outcome, why, made=not before)
    return list(found.values())
