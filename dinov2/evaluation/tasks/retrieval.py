"""The same place or thing in other images."""

from collections.abc import Sequence

from dinov2.evaluation.backbones import Backbone, ImagePixels
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.features import Request, Square, folder_images, last_blocks
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.retrieval import InstanceRetrieval
from dinov2.evaluation.sets.task import Copies, Retrieval
from dinov2.evaluation.tasks.kind import FEATURES, Kind, Setting, check_resolution

NAME = "retrieval"
QUERIES, DATABASE = "queries", "database"


def requests(
    task: Retrieval | Copies, backbone: Backbone, _: Sequence[str], config: EvaluateConfig
) -> dict[str, Request]:
    """Features of queries, of their boxes where they have any, and of the database."""
    check_resolution(backbone, config.resolution, "evaluate.resolution")
    view, blocks = Square(config.resolution), last_blocks(backbone.depth, 1)
    return {
        name: Request(f"{task.name} {name}", folder_images(images), view, blocks)
        for name, images in ((QUERIES, task.queries), (DATABASE, task.database))
    }


def measure(task: Retrieval, backbone: Backbone, asked: Sequence[str], setting: Setting) -> dict[str, Answer]:
    """See `Kind`."""
    with setting.clock(FEATURES):
        found = {
            name: setting.extractor.images(backbone, request).last_nd
            for name, request in requests(task, backbone, asked, setting.config).items()
        }
    with setting.clock(NAME):
        judge = InstanceRetrieval(setting.config.retrieval, setting.device)
        return {NAME: judge(found[QUERIES], found[DATABASE], task.levels, task.name)}


RETRIEVAL: Kind[Retrieval] = Kind(
    fitting=lambda _: (NAME,), usual=lambda _: (NAME,), requests=requests, measure=measure, pixels=ImagePixels
)
