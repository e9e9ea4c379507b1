"""What pretrain, highres and distill share: a run of the training loop as a job, and what its processes execute."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from importlib import import_module
from pathlib import Path

import torch

from dinov2.errors import told_in_one_line
from dinov2.launch import Job, in_a_job, launch
from dinov2.launch.claims import claim
from dinov2.registry.tracking import tracked
from dinov2.stages import files
from dinov2.stages.context import Context, open_workspace
from dinov2.stages.job_inputs import key_of
from dinov2.storage import digest, write_json, write_text
from dinov2.training.checkpoints import folder_of
from dinov2.training.execution import Execution
from dinov2.training.history import History
from dinov2.training.loop import going_along, train
from dinov2.training.memory import keep_memory
from dinov2.training.sharding import global_rank
from dinov2.training.stopping import EXIT_AGAIN, StoppedError
from dinov2.training.work import Place, Tracker, Work


def run_as_job(context: Context, stage: str, *item: str) -> None:
    """Hand a stage's work to the launcher and wait for it; every process of the job calls `main` below."""
    for work in (work_of(context, stage, *item), *beside(context, stage, *item)):
        claim_checkpoints(context, work)
    launch(job_of(context, stage, *item), context.settings, context.root)


def claim_checkpoints(context: Context, work: Work) -> None:
    """Note beside a run's checkpoints that they are this workspace's: who launches it does, for pods have no other."""
    claim(context.checkpoints, folder_of(work.digest), context.root)


def job_of(context: Context, stage: str, *item: str) -> Job:
    """The job that does a stage's work."""
    work = work_of(context, stage, *item)
    inputs = [context.path(name) for name in (files.CURATED, files.PACKED)]
    inputs += [path for path in (work.start, work.teacher) if path]
    outputs = [work.backbone, *([work.training] if work.training else [])]
    outputs += [context.path(name(work.name)) for name in (files.curve, files.metrics)]
    key, module = key_of(context, work.digest), "dinov2.stages.training_job"
    return Job(work.name, module, (stage, *item), tuple(inputs), tuple(outputs), stage=stage, key=key)


def work_of(context: Context, stage: str, *item: str) -> Work:
    """What the stage's own file says is to be done."""
    return import_module(f"dinov2.stages.{stage}").work(context, *item)


def beside(context: Context, stage: str, *item: str) -> list[Work]:
    """What the stage's own file says may be trained along with it."""
    others = getattr(import_module(f"dinov2.stages.{stage}"), "beside", None)
    return others(context, *item) if others else []


def main(stage: str, *item: str) -> None:
    """Do one process's part of a stage's run; rank 0 also reports and writes the curve and the final figures."""
    context = open_workspace(checked=False)
    work = work_of(context, stage, *item)
    history = learn(context, work, beside(context, stage, *item))
    if history:
        _write(context.root, work, history)


def learn(context: Context, work: Work, others: Sequence[Work] = ()) -> History | None:
    """Do this process's part of a run; rank 0 also reports to MLflow, and gets the loss curve."""
    torch.set_num_threads(context.settings.threads_each)
    keep_memory(context.device)
    place = place_of(context, context.device)
    if global_rank() != 0:
        _stoppable([(each, None) for each in (work, *others)], place)
        return None
    works = [work, *going_along(work, others, place.store)]
    with ExitStack() as stack:
        return _stoppable([(each, stack.enter_context(_tracked(context, each))) for each in works], place)


def _tracked(context: Context, work: Work) -> AbstractContextManager[Tracker]:
    parameters = work.config.model_dump(mode="json") | {"seed": work.seed}
    inputs = {"images": work.images_digest, "start": work.start_digest, "teacher": work.teacher_digest}
    # The same work with checkpoints elsewhere is done a second time: as another run, which leaves the first's curve be.
    elsewhere = context.settings.checkpoints
    key = digest(work.digest, context.checkpoints.url) if elsewhere else work.digest
    return tracked(context.settings, context.root, work.name, key, parameters, inputs)


def _stoppable(told: Sequence[tuple[Work, Tracker | None]], place: Place) -> History:
    """Train; a run that was told to stop, and has saved its state, ends with `EXIT_AGAIN`."""
    try:
        (work, tracker), *others = told
        return train(work, place, tracker, others)
    except StoppedError as stopped:
        print(stopped, file=sys.stderr, flush=True)
        sys.exit(EXIT_AGAIN)


def place_of(context: Context, device: torch.device) -> Place:
    """Where this process trains, as the settings have it."""
    settings = context.settings
    if device.type == "cuda":
        torch.cuda.set_device(global_rank() % torch.cuda.device_count())
    return Place(
        store=context.checkpoints,
        reader=context.reader,
        device=device,
        workers=settings.workers_each,
        checkpoint_seconds=settings.checkpoint_seconds,
        execution=Execution(
            attention=settings.attention,
            recompute=settings.recompute,
            compile=settings.compile,
            shard_over=settings.shard_over,
            microbatch=settings.microbatch,
        ),
        keep=settings.checkpoint_keep,
        milestones=settings.checkpoint_milestones,
    )


def _write(root: Path, work: Work, history: History) -> None:
    write_text(root / files.curve(work.name), history.csv())
    last = {name: float(f"{value:.6g}") for name, value in history.rows[-1].items()} if history.rows else {}
    figures = {"images": len(work.images), "iterations": work.config.iterations, "last": last}
    write_json(root / files.metrics(work.name), figures)


if __name__ == "__main__":
    with in_a_job(), told_in_one_line():
        main(*sys.argv[1:])
