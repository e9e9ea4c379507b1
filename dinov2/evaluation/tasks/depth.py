"""Distance of every pixel: lin.1, lin.4 and DPT."""

from collections.abc import Sequence

from dinov2.evaluation.backbones import Backbone, PixelBackbone, spread
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.features import Request, SomeLayers, Whole, folder_images, last_blocks
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.dense import DenseSource, View
from dinov2.evaluation.protocols.depth import DepthEstimation
from dinov2.evaluation.sets.depth.maps import read_depth, read_judged
from dinov2.evaluation.sets.task import Depth
from dinov2.evaluation.tasks.kind import FEATURES, Kind, Setting

LIN1, LIN4, DPT = "depth", "depth_lin4", "depth_dpt"
ALL = (LIN1, LIN4, DPT)
TRAIN, TEST, MIRRORED = "train", "test", "test mirrored"


def requests(task: Depth, backbone: Backbone, asked: Sequence[str], config: EvaluateConfig) -> dict[str, Request]:
    """Features of training and test images: of four layers, unless lin.1 alone is asked for."""
    four = tuple(sorted(set(spread(backbone.depth))))
    blocks = four if {LIN4, DPT} & {*asked} else last_blocks(backbone.depth, 1)
    parts = {TRAIN: task.train, TEST: task.test} | ({MIRRORED: task.test} if config.depth.mirrored else {})
    return {
        name: Request(
            f"{task.name} {name}",
            folder_images([pair.image for pair in pairs]),
            Whole(config.depth.resolution, backbone.patch_size, flipped=name == MIRRORED),
            blocks,
            dense=True,
        )
        for name, pairs in parts.items()
    }


def measure(task: Depth, backbone: Backbone, asked: Sequence[str], setting: Setting) -> dict[str, Answer]:
    """See `Kind`."""
    with setting.clock(FEATURES):
        found: dict[str, DenseSource] = {
            name: setting.extractor.dense(backbone, request)
            for name, request in requests(task, backbone, asked, setting.config).items()
        }
    answers = {}
    for name in asked:
        config = setting.config.depth.model_copy(update={"head": "dpt" if name == DPT else "linear"})
        read = {part: _layers(source, name, backbone.depth) for part, source in found.items()}
        with setting.clock(name):
            judge = DepthEstimation(config, task.near, task.far, setting.seed, setting.device, name)
            answers[name] = judge(
                read[TRAIN],
                lambda number: read_depth(task, task.train[number]),
                [View(source, part == MIRRORED) for part, source in read.items() if part != TRAIN],
                lambda number: read_judged(task, task.test[number]),
                setting.watchers.get(name),
            )
    return answers


def _layers(source: DenseSource, name: str, depth: int) -> DenseSource:
    """Those that a protocol reads. Where there are fewer than four blocks, lin.4 reads all, and DPT some repeatedly."""
    four = spread(depth)
    if name == DPT and source.layers < len(four):
        blocks = sorted(set(four))
        return SomeLayers(source, tuple(blocks.index(block) for block in four))
    return SomeLayers(source, (-1,)) if name == LIN1 else source


DEPTH: Kind[Depth] = Kind(
    fitting=lambda _: ALL, usual=lambda _: ALL, requests=requests, measure=measure, pixels=PixelBackbone
)
