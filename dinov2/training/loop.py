"""The training loop: pretraining, the high-resolution phase and distillation are configurations of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from dinov2.errors import ConfigError
from dinov2.progress import Progress, progress
from dinov2.storage import Store, digest
from dinov2.training.anchors import Headless, anchor
from dinov2.training.checkpoints import complete
from dinov2.training.crops import Parts
from dinov2.training.execution import settle
from dinov2.training.feed import feed, keys
from dinov2.training.history import History
from dinov2.training.network import Network
from dinov2.training.rates import Pace
from dinov2.training.run import Run
from dinov2.training.sharding import process_group
from dinov2.training.step import train_step
from dinov2.training.stopping import StoppedError, StopRequest, agree
from dinov2.training.teacher import load_teacher
from dinov2.training.trainee import build_objective, build_trainee, export, prepare
from dinov2.training.work import Place, Tracker, Work


def train(
    work: Work, place: Place, tracker: Tracker | None = None, beside: Sequence[tuple[Work, Tracker | None]] = ()
) -> History:
    """Do the run, from its newest checkpoint if it has one, and write the result.

    Args:
        work: what to do.
        place: where.
        tracker: where this process's metrics go.
        beside: other students of the same teacher, trained in the same steps from the same pass of the teacher. What
            they learn is what they would have learnt alone, and lies in their last checkpoints when this ends. Those
            of rank 0 count, which should be those `going_along`; one that is at another step after all is left alone.

    Returns:
        The loss curve of `work`, on every process.

    Raises:
        ConfigError: the batch does not divide over the processes, or there are no images.
        UserError: too many steps in a row were not finite, or the store could not be written.
        StoppedError: SIGTERM came; the state is saved.
    """
    if not len(work.images):
        raise ConfigError(f"{work.name}: the training manifest has no images")
    with process_group(place.device, place.execution.shard_over) as mesh:
        together = [(work, tracker), *_as_rank_0_has_it(beside)]
        for each, _ in together:
            place = replace(place, execution=settle(place.execution, each.config, place.device))
        with _runs(together, place, mesh) as runs:
            if runs[0].done < work.config.iterations:
                _train(runs, place, mesh)
            export(runs[0].trainee, work.config, work.backbone, work.training, dist.get_rank())
            return runs[0].history


def going_along(work: Work, others: Sequence[Work], store: Store) -> list[Work]:
    """Those of `others` that `train` can take along: they are as far as `work`, and not at the end."""
    done, *rest = (max(complete(store, each.digest), default=0) for each in (work, *others))
    return [other for other, own in zip(others, rest, strict=True) if own == done < work.config.iterations]


def _as_rank_0_has_it(beside: Sequence[tuple[Work, Tracker | None]]) -> list[tuple[Work, Tracker | None]]:
    """Processes may have looked at the store at different times."""
    chosen = [[work.digest for work, _ in beside]]
    dist.broadcast_object_list(chosen)
    return [(work, tracker) for work, tracker in beside if work.digest in chosen[0]]


@contextmanager
def _runs(told: Sequence[tuple[Work, Tracker | None]], place: Place, mesh: DeviceMesh) -> Iterator[list[Run]]:
    """The runs that are trained together, resumed; their last saves are waited for when the block ends."""
    with ExitStack() as stack:
        runs: list[Run] = []
        for work, tracker in told:
            run = open_run(work, place, mesh, tracker=tracker)
            if runs and run.done != runs[0].done:
                continue
            stack.callback(run.checkpoints.settle)
            runs.append(run)
            run.objective = runs[0].objective
        yield runs


def open_run(
    work: Work, place: Place, mesh: DeviceMesh, only: int | None = None, tracker: Tracker | None = None
) -> Run:
    """A run as far as its newest checkpoint, or as that of step `only`; at the start if it has none.

    Args:
        work: what it is to do.
        place: where.
        mesh: of the processes, all of which must call.
        only: step of the checkpoint to use; None takes the newest that is whole.
        tracker: where this process's metrics go.
    """
    ready = prepare(work.config, place.device, mesh, place.execution)
    trainee = build_trainee(work.name, work.config, work.seed, work.start, ready)
    return Run(work, trainee, build_objective(work.config), place, tracker).resume(only)


def _train(runs: list[Run], place: Place, mesh: DeviceMesh) -> None:
    """All steps that are left, saving now and then and at the end."""
    work, config = runs[0].work, runs[0].work.config
    teacher = runs[0].trainee.average if work.teacher is None else _teacher(work, work.teacher, place, mesh)
    names = ", ".join(run.work.name for run in runs)
    saved_at, stopping = time.monotonic(), False
    pace = Pace([run.work for run in runs], teacher.backbone if work.teacher else None, place.store, place.device)
    shown_here = progress(names, config.iterations, "steps", runs[0].done, silent=dist.get_rank() > 0)
    with pace, StopRequest() as stop, shown_here as shown:
        for parts in feed(work, place, runs[0].done, config.iterations):
            _step(runs, teacher, parts, shown)
            pace.step()
            done = runs[0].done
            overdue = time.monotonic() - saved_at > place.checkpoint_seconds
            due = runs[0].checkpoints.due(done) or done == config.iterations
            stopping, saving = agree(stop.asked, overdue or due or stop.asked, place.device)
            if saving:
                for run in runs:
                    run.save()
                pace.note()
                saved_at = time.monotonic()
            if stopping:
                break
    for run in runs:
        run.checkpoints.wait()
    if stopping and done < config.iterations:
        raise StoppedError(f"{names}: told to stop; saved after step {done} of {config.iterations}")


def _teacher(work: Work, path: Path, place: Place, mesh: DeviceMesh) -> Network:
    """The frozen teacher; one without heads gets its anchors from crops that are like those of the run."""
    teacher = prepare(work.config, place.device, mesh, place.execution)(load_teacher(path, work.config), False)
    if isinstance(teacher, Headless):
        prototypes, other = work.config.heads.prototypes, int(digest("anchors", work.seed), 16) % 2**31
        steps = -(-prototypes // work.config.batch_size)
        anchor(teacher, feed(replace(work, seed=other), place, 0, steps), prototypes)
    return teacher


def _step(runs: list[Run], teacher: Network, parts: Parts, shown: Progress) -> None:
    """One step of all runs, noted by each."""
    work, step = runs[0].work, runs[0].done
    hyper = work.config.schedules.at(step)
    steps = train_step([run.trainee for run in runs], teacher, runs[0].objective, parts, hyper, step)
    rows = [run.note(own, hyper, lambda: keys(work, parts)) for run, own in zip(runs, steps, strict=True)]
    if rows[0]:
        shown.advance(0, f"loss {rows[0]['loss']:.3f}")
    shown.advance()
