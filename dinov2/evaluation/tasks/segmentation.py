"""Classes of pixels: linear on the last layer, and "+ms" on four layers, at several scales and mirrored."""

from collections.abc import Sequence

from dinov2.evaluation.backbones import Backbone, PixelBackbone
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.features import Request, Whole, folder_images, last_blocks
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.dense import View
from dinov2.evaluation.protocols.segmentation import Segmentation
from dinov2.evaluation.sets.segmentation.masks import read_mask
from dinov2.evaluation.sets.task import Dense
from dinov2.evaluation.tasks.kind import FEATURES, Kind, Setting

LINEAR, MS = "segmentation", "segmentation_ms"
TRAIN, TEST = "train", "test"


def requests(task: Dense, backbone: Backbone, asked: Sequence[str], config: EvaluateConfig) -> dict[str, Request]:
    """By protocol and "train" or a name for each view of the test images."""
    sizes, patch = config.segmentation, backbone.patch_size
    wanted: dict[str, tuple[str, Whole, tuple[int, ...]]] = {}
    if LINEAR in asked:
        view, blocks = Whole(sizes.resolution, patch), last_blocks(backbone.depth, 1)
        wanted |= {f"{LINEAR} {part}": (part, view, blocks) for part in (TRAIN, TEST)}
    if MS in asked:
        blocks = last_blocks(backbone.depth)
        wanted[f"{MS} {TRAIN}"] = (TRAIN, Whole(sizes.ms_resolution, patch), blocks)
        for scale in sizes.ms_scales:
            for flipped in (False, True):
                view = Whole(round(scale * sizes.ms_resolution), patch, flipped)
                wanted[f"{MS} {TEST} {view.digest}"] = (TEST, view, blocks)
    pairs = {TRAIN: task.train, TEST: task.test}
    items = {part: folder_images([pair.image for pair in own]) for part, own in pairs.items()}
    return {
        name: Request(f"{task.name} {part}", items[part], view, blocks, dense=True)
        for name, (part, view, blocks) in wanted.items()
    }


def measure(task: Dense, backbone: Backbone, asked: Sequence[str], setting: Setting) -> dict[str, Answer]:
    """See `Kind`."""
    answers = {}
    for name in asked:
        with setting.clock(FEATURES):
            wanted = requests(task, backbone, [name], setting.config)
            found = {key: setting.extractor.dense(backbone, request) for key, request in wanted.items()}
        tests = [
            View(found[key], isinstance(request.view, Whole) and request.view.flipped)
            for key, request in wanted.items()
            if key != f"{name} {TRAIN}"
        ]
        with setting.clock(name):
            answers[name] = Segmentation(setting.config.segmentation, setting.seed, setting.device, name)(
                found[f"{name} {TRAIN}"],
                lambda number: read_mask(task, task.train[number]),
                tests,
                lambda number: read_mask(task, task.test[number]),
                len(task.classes),
                setting.watchers.get(name),
            )
    return answers


SEGMENTATION: Kind[Dense] = Kind(
    fitting=lambda _: (LINEAR, MS), usual=lambda _: (LINEAR, MS), requests=requests, measure=measure,
    pixels=PixelBackbone,
)  # fmt: skip
