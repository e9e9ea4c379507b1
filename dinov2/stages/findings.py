"""What is found of a model on all that it is judged on, and the report of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dinov2.evaluation.backbones import Backbone, OwnBackbone
from dinov2.evaluation.measure import measure
from dinov2.evaluation.measured import Measured, mean_over
from dinov2.evaluation.pictures import Picture, beside
from dinov2.evaluation.pictures.of_judged import pictures, watchers
from dinov2.evaluation.pictures.pca import pca_picture
from dinov2.evaluation.pictures.photographs import photographs, pictured
from dinov2.evaluation.pictures.tokens import patch_features
from dinov2.evaluation.report import ModelReport
from dinov2.evaluation.results import Row
from dinov2.evaluation.sets.task import Classification
from dinov2.evaluation.tasks.about import about
from dinov2.stages.context import Context
from dinov2.stages.judged import Judging


@dataclass(frozen=True)
class Found:
    """What was found of a model.

    Attributes:
        measured: on the labelled sources, then on the other sets, then the mean of those with classes of images.
        pictures: of all of them.
    """

    measured: Sequence[Measured]
    pictures: Sequence[Picture]


def judge(work: Judging, model: OwnBackbone, shown: Mapping[str, Backbone]) -> Found:
    """Measure a model and its controls on every set, and draw what it sees.

    Args:
        work: what is judged.
        model: by what is there.
        shown: what pictures are of, by the name that captions give it: the model first; nothing draws none.

    Raises:
        DataError: an image or its truth cannot be used.
    """
    measured, drawn, classes = [], [], []
    for task, asked in work.tasks:
        seen = watchers(task, asked)
        measured.append(measure(task, model, asked, replace(work.setting, watchers=seen)))
        drawn += pictures(task, shown, work.setting, {next(iter(shown)): seen}) if shown else []
        classes += [measured[-1]] if isinstance(task, Classification) else []
    mean = mean_over(classes) if len(classes) > 1 else None
    return Found([*measured, *([mean] if mean else [])], drawn)


def sheet(context: Context, work: Judging, shown: Mapping[str, Backbone]) -> Picture:
    """Patch features of the model and of random weights, of some images of the manifest."""
    config = context.params.evaluate
    rows = pictured(work.labelled.usable, work.manifest, config.pca_images)
    images = photographs(context.reader, rows, config.pca_resolution)
    patches = {name: patch_features(each, images, name) for name, each in shown.items()}
    return beside({name: pca_picture(images, each) for name, each in patches.items()})


def report_of(
    item: str, model: OwnBackbone, work: Judging, shown: Sequence[Picture], rows: Sequence[Row]
) -> ModelReport:
    """All of it, to be written."""
    network = model.model
    facts = {
        "parameters": f"{sum(tensor.numel() for tensor in network.parameters()):,}",
        "embedding": f"{model.embed_dim} numbers",
        "patch": f"{model.patch_size} pixels",
        "depth": f"{model.depth} blocks",
        "resolution": f"{work.setting.config.resolution} pixels",
    }
    sets = {task.name: about(task) for task, _ in work.tasks}
    return ModelReport(item, facts, rows, sets, work.labelled.skipped, shown)
