"""A run under way: what is trained, its loss curve, and its checkpoints."""

from collections.abc import Callable
from typing import Any, Self

from torch.profiler import record_function

from dinov2.training.checkpoints import Checkpoints
from dinov2.training.history import History
from dinov2.training.monitor import collapse_signs
from dinov2.training.objective import Objective
from dinov2.training.optimiser import Hyper
from dinov2.training.step import Step
from dinov2.training.trainee import Trainee
from dinov2.training.work import Place, Tracker, Work

EVERYTHING = slice(None)


class Run:
    """One student with what belongs to it; all processes must make one and call alike.

    Args:
        work: what it is to do.
        trainee: its networks.
        objective: whose state it keeps; students of one teacher share it.
        place: where its checkpoints live.
        tracker: where metrics go; None on all processes but one.
    """

    def __init__(
        self, work: Work, trainee: Trainee, objective: Objective, place: Place, tracker: Tracker | None
    ) -> None:
        self.work, self.trainee, self.objective, self.tracker = work, trainee, objective, tracker
        self.history = History(work.config.iterations)
        self.checkpoints = Checkpoints(place.store, work.digest, place.keep, place.milestones)
        self.done = 0

    def resume(self, only: int | None = None) -> Self:
        """Continue from the newest checkpoint, or from that of step `only`; `done` says how many steps it had."""
        state = self._state()
        if found := self.checkpoints.load_newest(state, only):
            self.done, curve = found
            self.trainee.load(state["trainee"])
            self.objective.load(state["objective"])
            self.history.load(curve)
            if self.tracker:
                self.tracker.restore({int(row["iteration"]): row for row in self.history.rows})
        return self

    def save(self) -> None:
        """Write the state after `done` steps, in the background."""
        self.checkpoints.save(self.done, self._state(), self.history.state())

    def note(self, step: Step, hyper: Hyper, images: Callable[[], list[str]]) -> dict[str, float] | None:
        """Count a step, and keep what it measured.

        Args:
            step: what happened.
            hyper: its rates.
            images: gives the keys of this process's images.

        Returns:
            The row of the loss curve that it completed, if it did.

        Raises:
            UserError: it was not taken, and one too many in a row were not.
        """
        self.done += 1
        if not step.taken:
            if not step.rescaled:
                self.trainee.guard.skip(self.done, step.metrics, images)
            return None
        self.trainee.guard.passed()
        with record_function("log"):
            self.history.add(step.metrics)
            return self._row(step, hyper) if self.history.due(self.done - 1) else None

    def _row(self, step: Step, hyper: Hyper) -> dict[str, float]:
        targets = [part.targets(EVERYTHING) for part in step.losses]
        signs = collapse_signs(targets, [part.cls for part in step.losses])
        settings = vars(hyper) | {"skipped": self.trainee.guard.skipped}
        row = self.history.close(self.done - 1, signs, settings)
        if self.tracker:
            self.tracker.log(self.done, row)
        return row

    def _state(self) -> dict[str, Any]:
        return {"trainee": self.trainee.state(), "objective": self.objective.state()}
