"""What the stages of a run took, attempt by attempt, in a file of the workspace that its runs forget with it."""

from dataclasses import dataclass
from pathlib import Path

from dinov2.launch.taken import Taken, note, read
from dinov2.runs.cost import Cost, cost_of


def ledger(root: Path, run: str) -> Path:
    """The file of one run, by a name that retries of it share."""
    return root / "var" / "taken" / f"{run}.jsonl"


def cost_in(path: Path, stage: str) -> Cost:
    """What a stage took by that file; nothing if it is not in it."""
    return cost_of(each for each in read(path) if each.stage == stage)


@dataclass(frozen=True)
class Bill:
    """Of one stage in one run.

    Attributes:
        path: the run's file.
        stage: as `dvc repro` takes it.
        gpus: that it holds at a time.
        elsewhere: its jobs run on other machines, and who launches them notes what they took.
    """

    path: Path
    stage: str
    gpus: int
    elsewhere: bool

    @property
    def notes(self) -> Path:
        """Where launchers note what the jobs of an attempt took."""
        return self.path.with_name(f"{self.path.stem}.{self.stage}.jsonl")

    def add(self, seconds: float, ran: bool, well: bool) -> None:
        """Add an attempt.

        Args:
            seconds: that it took.
            ran: whether the stage's command was run.
            well: whether that ended well: what a job took that did not is not known.
        """
        jobs = [each.model_copy(update={"stage": self.stage}) for each in read(self.notes)]
        self.notes.unlink(missing_ok=True)
        on_gpus: float | None = seconds * self.gpus
        if self.elsewhere and self.gpus:
            on_gpus = 0.0 if well and jobs else None
        own = [Taken(stage=self.stage, seconds=seconds, gpu_seconds=on_gpus)]
        for each in [*jobs, *own] if ran else jobs:
            note(each, str(self.path))

    def cost(self) -> Cost:
        """Of all attempts."""
        return cost_in(self.path, self.stage)
