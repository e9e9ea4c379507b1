"""What the stages that would run consist of: jobs, and what is done in the command itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module

from dinov2.curation.config import BootstrapConfig, TrainedConfig
from dinov2.launch import Job, shape
from dinov2.stages import bootstrap, curation_job, files, trained, training_job, whole_job
from dinov2.stages.context import Context
from dinov2.stages.curation_job import STEPS, TOGETHER
from dinov2.stages.plan import effort
from dinov2.stages.plan.effort import Effort
from dinov2.stages.plan.outlook import Outlook
from dinov2.training.checkpoints import complete

TRAINED = ("pretrain", "highres", "distill")
UNCOUNTED = {
    "ingest": "reading images is not counted",
    "deduplicate": "what searches cost is not known before they run",
    "retrieve": "what searches cost is not known before they run",
    "pack": "copying images is not counted",
    "evaluate": "features and probes are not counted",
}
UNMADE, UNSEEN = "inputs not made yet", "images not looked up"
LEARNT = "left out if the store has what it would learn"


@dataclass(frozen=True)
class Piece:
    """A part of a stage that runs in one place.

    Attributes:
        job: what the launcher is given; None for what the stage's own command does.
        effort: what there is to compute.
        keyless: why the job has no key here; empty if it has one.
    """

    job: Job | None
    effort: Effort
    keyless: str = ""


def pieces_of(context: Context, outlook: Outlook, all_: Sequence[Outlook]) -> list[Piece]:
    """The pieces of one stage, in the order in which they run.

    Args:
        context: the workspace.
        outlook: the stage.
        all_: every stage that is not up to date.

    Raises:
        ConfigError: a file that the parameters name is not there, or a setting is wrong.
    """
    stage, work = outlook.stage, Effort(None, UNCOUNTED.get(outlook.stage, ""))
    if stage in TRAINED:
        return [_training(context, outlook, all_)]
    if stage == "embed":
        work = effort.describing(context.params, effort.images_of(context, outlook))
        return [*_learning(context), *_curation(context, outlook, work)]
    if stage in STEPS:
        return list(_curation(context, outlook, work))
    return list(_evaluation(context, outlook, work)) if stage == "evaluate" else [Piece(None, work)]


def _evaluation(context: Context, outlook: Outlook, work: Effort) -> Iterator[Piece]:
    """What indexes share out, and then the rest, which is a job where jobs are elsewhere."""
    stage, item, own = outlook.stage, outlook.item[0], shape(outlook.stage, context.settings, context.root)
    if own.indexes > 1 and outlook.made:
        yield Piece(whole_job.shares_of(context, stage, item, own.indexes), work)
    elif own.indexes > 1:
        yield _keyless(f"{stage} {item} ahead", stage, work, own.indexes)
    if not own.elsewhere:
        yield Piece(None, work)
    elif outlook.made:
        yield Piece(whole_job.job_of(context, stage, item), work)
    else:
        yield _keyless(f"{stage} {item}", stage, work)


def _training(context: Context, outlook: Outlook, all_: Sequence[Outlook]) -> Piece:
    stage, item = outlook.stage, outlook.item
    config = effort.config_of(context.params, stage, item)
    work = effort.training(config)
    if stage == "distill":
        together = [other for other in all_ if other.stage == "distill" and other.outcome != "restore"]
        apart = context.settings.distill == "apart" or outlook not in together
        work = effort.distilling(context.params, outlook, [outlook] if apart else together)
    if not outlook.made:
        return _keyless("".join(item) or stage, stage, work)
    done = max(complete(context.checkpoints, training_job.work_of(context, stage, *item).digest), default=0)
    if done and work.flops:
        note = f"goes on from step {done} of {config.iterations}"
        work = Effort(work.flops * (1 - done / config.iterations), note)
    return Piece(training_job.job_of(context, stage, *item), work)


def _learning(context: Context) -> Iterator[Piece]:
    """The jobs that make descriptors, of those that learn in jobs; their images are not looked up for a plan."""
    embed = context.params.embed
    for name, config in (("embed.copy", embed.copy_), ("embed.retrieval", embed.retrieval)):
        if isinstance(config, BootstrapConfig):
            work = effort.training(bootstrap.training_of(config, context.params.pretrain))
            yield _keyless(
                bootstrap.NAME, "pretrain", replace(work, note=f"{bootstrap.NAME} is {LEARNT}"), reason=UNSEEN
            )
        elsewhere = shape("embed", context.settings, context.root).elsewhere
        if isinstance(config, TrainedConfig) and config.weights is None and elsewhere:
            note = f"what learning {name} computes is not counted; {trained.NAME} is {LEARNT}"
            yield _keyless(trained.NAME, "embed", Effort(None, note), reason=UNSEEN)


def _curation(context: Context, outlook: Outlook, work: Effort) -> Iterator[Piece]:
    """The jobs of a step, or what its command does where it is one process of this machine."""
    step, own = outlook.stage, shape(outlook.stage, context.settings, context.root)
    together = hasattr(import_module(f"dinov2.stages.{step}"), "together")
    ways: list[tuple[tuple[str, ...], int]] = []
    if together and (own.elsewhere or own.processes > 1):
        ways.append(((TOGETHER,), 1))
    if own.elsewhere or own.indexes > 1:
        ways.append(((), own.indexes))
    made = outlook.made and all(context.path(name).is_file() for name in (*STEPS[step], files.SOURCES))
    for way, indexes in ways:
        if made:
            yield Piece(curation_job.job_of(context, step, *way, indexes=indexes), work)
        else:
            yield _keyless(step, step, work, indexes)
    if not ways:
        yield Piece(None, work)


def _keyless(name: str, stage: str, work: Effort, indexes: int = 1, reason: str = UNMADE) -> Piece:
    """A job as far as it is known before its inputs are."""
    return Piece(Job(name, "", (), (), (), indexes=indexes, stage=stage), work, reason)
