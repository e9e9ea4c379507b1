"""Edited copies of images."""

from collections.abc import Sequence

from dinov2.evaluation.backbones import Backbone, ImagePixels
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.copies import CopyDetection
from dinov2.evaluation.sets.task import Copies
from dinov2.evaluation.tasks.kind import FEATURES, Kind, Setting
from dinov2.evaluation.tasks.retrieval import DATABASE, QUERIES, requests

NAME = "copies"


def measure(task: Copies, backbone: Backbone, asked: Sequence[str], setting: Setting) -> dict[str, Answer]:
    """See `Kind`."""
    with setting.clock(FEATURES):
        found = {
            name: setting.extractor.images(backbone, request).last_nd
            for name, request in requests(task, backbone, asked, setting.config).items()
        }
    with setting.clock(NAME):
        judge = CopyDetection(setting.config.copies, setting.device)
        return {NAME: judge(found[QUERIES], found[DATABASE], task.truth, task.name)}


COPIES: Kind[Copies] = Kind(
    fitting=lambda _: (NAME,), usual=lambda _: (NAME,), requests=requests, measure=measure, pixels=ImagePixels
)
