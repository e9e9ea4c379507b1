"""What evaluate@MODEL judges, the labelled sources and the sets of params.yaml, and by what."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from dinov2.data.manifest import read_manifest
from dinov2.evaluation.backbones import OwnBackbone
from dinov2.evaluation.datasets import Sets, labelled_sets
from dinov2.evaluation.features import Extractor
from dinov2.evaluation.measure import fill, protocols_of
from dinov2.evaluation.suite import PROTOCOLS
from dinov2.evaluation.tasks import Judged, Setting
from dinov2.evaluation.tasks.problem import of_manifest
from dinov2.models import load_backbone
from dinov2.stages import files, sets
from dinov2.stages.context import Context


@dataclass(frozen=True)
class Judging:
    """All of it.

    Attributes:
        manifest: whose labelled sources are judged.
        labelled: those that can be, and why others cannot.
        tasks: they and then the sets of params.yaml, each with the names of its protocols.
        setting: how.
    """

    manifest: pa.Table
    labelled: Sets
    tasks: list[tuple[Judged, tuple[str, ...]]]
    setting: Setting


def judging(context: Context) -> Judging:
    """What is judged; nothing is computed yet.

    Raises:
        ConfigError: a protocol does not fit its set, or no scan saw a set.
        DataError: a set cannot be read.
    """
    return judging_of(context, read_manifest(context.path(files.MANIFEST)), context.path(files.SETS))


def judging_of(context: Context, manifest: pa.Table, seen: Path) -> Judging:
    """As `judging`, of another manifest and of what another scan wrote of the sets."""
    config = context.params.evaluate
    labelled = labelled_sets(manifest, config.datasets)
    tasks: list[tuple[Judged, tuple[str, ...]]] = [
        (of_manifest(each, context.reader), PROTOCOLS) for each in labelled.usable
    ]
    for each in config.sets:
        task = sets.read(context, each, seen)
        tasks.append((task, protocols_of(task, each.protocols)))
    return Judging(manifest, labelled, tasks, setting_of(context))


def setting_of(context: Context) -> Setting:
    """How params.yaml has it, with features in the store."""
    config, threads = context.params.evaluate, context.settings.threads_each
    extractor = Extractor(context.store, threads, config.image_features, config.patch_features)
    return Setting(config, extractor, context.params.seed, context.device)


def model_of(context: Context, item: str) -> OwnBackbone:
    """The model that is judged."""
    return OwnBackbone(load_backbone(context.path(files.weights(item))), context.device)


def share(context: Context, item: str, index: int, indexes: int) -> None:
    """Make the share of one of several processes in the features that judging a model then finds in the store."""
    found, model = judging(context), model_of(context, item)
    for task, asked in found.tasks:
        fill(task, model, asked, found.setting, index, indexes)
