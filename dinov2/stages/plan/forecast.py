"""What `dvc repro` would do: stages, their jobs and where those run, manifests, GPUs and hours. Nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.graph import read_graph
from dinov2.stages.plan.estimate import Estimate, choose, estimate
from dinov2.stages.plan.outlook import Outlook, outlooks
from dinov2.stages.plan.pieces import Piece, pieces_of
from dinov2.stages.plan.places import Place, cluster_of, place_of
from dinov2.training.rates import Rate, read_rates


@dataclass(frozen=True)
class Planned:
    """A piece of a stage, where it would run, and how long."""

    outlook: Outlook
    piece: Piece
    place: Place
    estimate: Estimate | None

    @property
    def gpu_hours(self) -> float | None:
        """Of all GPUs that it holds."""
        return self.place.gpus * self.estimate.hours if self.estimate else None


@dataclass(frozen=True)
class Forecast:
    """All of it.

    Attributes:
        stages: how many were looked at.
        planned: the pieces of those that are not up to date, in order.
        unscanned: files that a scan of the sources would make, and that are not there.
    """

    stages: int
    planned: tuple[Planned, ...]
    unscanned: tuple[str, ...]


def forecast(context: Context, targets: Sequence[str] = ()) -> Forecast:
    """Look ahead.

    Args:
        context: the workspace.
        targets: stages, as `dvc repro` takes them, and with all that they need; none means every stage.

    Raises:
        UserError: a stage, parameter, setting or key of k8s/jobs.yaml is wrong, as `dvc repro` would find too.
        UnreachableError: the store does not answer.
    """
    stages = read_graph(context.root, targets)
    found, cluster = outlooks(stages), cluster_of(context)
    rates = read_rates(context.checkpoints) if found else []
    planned = []
    for outlook in found:
        for piece in pieces_of(context, outlook, found):
            place = place_of(context, cluster, piece.job)
            planned.append(Planned(outlook, piece, place, _estimate(outlook, piece, place, rates)))
    unscanned = tuple(name for name in (files.SOURCES, files.GIVEN, files.SETS) if not context.path(name).is_file())
    return Forecast(len(stages), tuple(planned), unscanned)


def _estimate(outlook: Outlook, piece: Piece, place: Place, rates: Sequence[Rate]) -> Estimate | None:
    if not piece.effort.flops or place.finished or outlook.outcome == "restore":
        return None
    run = piece.job.name if piece.job else outlook.stage
    rate = choose(rates, place.kind, place.product, run)
    return estimate(piece.effort.flops, place.processes, place.product, rate) if rate else None
