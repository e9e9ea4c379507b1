"""What the workspace and the clones of its runs would go on with if they were run again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from dinov2.curation.config import BootstrapConfig, TrainedConfig
from dinov2.errors import UserError
from dinov2.janitor.workspaces import workspaces
from dinov2.launch import Job
from dinov2.launch.kubernetes.config import JOBS
from dinov2.launch.kubernetes.names import job_name
from dinov2.stages import bootstrap, evaluate, files, trained
from dinov2.stages.context import Context
from dinov2.stages.curation_job import STEPS
from dinov2.stages.graph import read_graph
from dinov2.stages.plan.outlook import Outlook, outlooks
from dinov2.stages.plan.pieces import TRAINED, pieces_of
from dinov2.stages.training_job import work_of

Learning = TypeVar("Learning", BootstrapConfig, TrainedConfig)


@dataclass(frozen=True)
class Wanted:
    """What stages that are not up to date would find done, or go on with.

    Attributes:
        digests: of training runs, which name their checkpoints.
        jobs: names of Jobs on the cluster.
        unknown: workspaces of which it cannot be said, and why.
        by: the digests that each of the others would go on with.
    """

    digests: frozenset[str]
    jobs: frozenset[str]
    unknown: Mapping[Path, str] = field(default_factory=dict)
    by: Mapping[Path, frozenset[str]] = field(default_factory=dict)


def wanted(context: Context) -> Wanted:
    """Ask the workspace and the clone of every run."""
    jobs, unknown, by = set[str](), dict[Path, str](), dict[Path, frozenset[str]]()
    for each in workspaces(context):
        try:
            there = each.context()
            # DVC would make whoever works there wait, and they do not wait for long.
            found = _everything(there) if each.busy else outlooks(read_graph(there.root))
            digests = frozenset(_digests(there, found))
            jobs.update(job_name(job) for job in _jobs(_on_a_cluster(there), found) if job.key)
        except (UserError, OSError) as error:
            unknown[each.root] = str(error)
        else:
            by[each.root] = digests
    return Wanted(frozenset().union(*by.values()), frozenset(jobs), unknown, by)


def _on_a_cluster(context: Context) -> Context:
    """The workspace as a run has it whose form says that jobs run on a cluster, which the settings need not."""
    if context.store.is_local or not context.path(JOBS).is_file():
        return context
    return replace(context, settings=context.settings.model_copy(update={"launcher": "kubernetes"}))


def _everything(context: Context) -> list[Outlook]:
    """All stages that have jobs, as if none were up to date."""
    students, models = context.params.distill.students, context.params.evaluate.models
    names = [*STEPS, "pretrain", "highres", *(f"distill@{s}" for s in students), *(f"evaluate@{m}" for m in models)]
    return [Outlook(name, "run", (), made=True) for name in names]


def _digests(context: Context, found: list[Outlook]) -> Iterator[str]:
    for outlook in found:
        if outlook.stage in TRAINED and _may_have_begun(context, outlook):
            yield work_of(context, outlook.stage, *outlook.item).digest
    for use, _ in _learning(context, found, BootstrapConfig):
        yield bootstrap.work(context, use).digest


def _jobs(context: Context, found: list[Outlook]) -> Iterator[Job]:
    if context.settings.launcher == "local":
        return
    for outlook in found:
        if _may_have_begun(context, outlook):
            # A stage before it that is to run again may well make what is there already.
            pieces = pieces_of(context, replace(outlook, made=True), found)
            yield from (piece.job for piece in pieces if piece.job and not piece.keyless)
    for use, _ in _learning(context, found, BootstrapConfig):
        yield bootstrap.job_of(context, use)
    for _, config in _learning(context, found, TrainedConfig):
        if config.weights is None:
            yield trained.job_of(context, config, trained.name_of(context, config))


def _may_have_begun(context: Context, outlook: Outlook) -> bool:
    """Whether all is there that other stages make for it. What is given and not there may be on a disk that is away."""
    made: dict[str, tuple[str, ...]] = STEPS | {
        "pretrain": (files.CURATED, files.PACKED),
        "highres": (files.CURATED, files.PACKED, files.training("pretrain")),
        "distill": (files.CURATED, files.PACKED, *_teacher(context)),
        "evaluate": evaluate.reads("".join(outlook.item)),
    }
    return all(context.path(name).is_file() for name in made.get(outlook.stage, ()))


def _teacher(context: Context) -> list[str]:
    """The teacher of students, if it is one that is trained here."""
    return [each for each in map(files.training, ("pretrain", "highres")) if each == context.params.distill.teacher]


def _learning(context: Context, found: list[Outlook], kind: type[Learning]) -> Iterator[tuple[str, Learning]]:
    """Descriptors of a kind that learns from the pool, by their use, where embed would run and the pool is there."""
    if any(outlook.stage == "embed" for outlook in found) and context.path(files.MANIFEST).is_file():
        for use, config in (("copy", context.params.embed.copy_), ("retrieval", context.params.embed.retrieval)):
            if isinstance(config, kind):
                yield use, config
