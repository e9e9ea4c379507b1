"""Classes of clips: the linear probe on 8 frames, as their mean or one beside the other."""

import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dinov2.errors import DataError
from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.config import EvaluateConfig
from dinov2.evaluation.features import ClipFrames, ImageFeatures, Request, Square, last_blocks
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.linear import LinearProbe
from dinov2.evaluation.protocols.video import Pooling, pooled
from dinov2.evaluation.sets.task import Clip, Video
from dinov2.evaluation.sets.video.frames import COUNT
from dinov2.evaluation.tasks.inputs import readings, side_by_side
from dinov2.evaluation.tasks.kind import FEATURES, Kind, Setting, check_resolution

MEAN, CONCATENATION = "video", "video_concatenation"
POOLINGS: dict[str, Pooling] = {MEAN: "mean", CONCATENATION: "concatenation"}
TRAIN, TEST = "train", "test"


def requests(task: Video, backbone: Backbone, _: Sequence[str], config: EvaluateConfig) -> dict[str, Request]:
    """Features of 8 frames of each clip."""
    check_resolution(backbone, config.resolution, "evaluate.resolution")
    view, blocks = Square(config.resolution), last_blocks(backbone.depth)
    return {
        name: Request(f"{task.name} {name}", tuple(map(ClipFrames, clips)), view, blocks)
        for name, clips in ((TRAIN, task.train), (TEST, task.test))
    }


def measure(task: Video, backbone: Backbone, asked: Sequence[str], setting: Setting) -> dict[str, Answer]:
    """See `Kind`. Clips that cannot be decoded are left out, named and counted: `undecodable_train` and `_test`.

    Raises:
        DataError: none of the training or test clips can be decoded.
    """
    with setting.clock(FEATURES):
        found = {
            name: setting.extractor.images(backbone, request)
            for name, request in requests(task, backbone, asked, setting.config).items()
        }
    skipped = {f"undecodable_{name}": int(features.broken.sum()) for name, features in found.items()}
    train, train_n = _decoded(task, found[TRAIN], task.train, task.train_labels)
    test, test_n = _decoded(task, found[TEST], task.test, task.test_labels)
    answers = {}
    for name in asked:
        with setting.clock(name):
            taught, examined = (_pooled(each, POOLINGS[name]) for each in (train, test))
            probe = LinearProbe(setting.config.video, setting.seed, setting.device, name)
            parts = Examples(side_by_side(taught), train_n), Examples(side_by_side(examined), test_n)
            answer = probe(*parts, task.trained, readings(taught))
            answers[name] = replace(answer, details={**answer.details, **skipped, "frames": COUNT})
    return answers


def _decoded(
    task: Video, features: ImageFeatures, clips: Sequence[Clip], labels_n: np.ndarray
) -> tuple[ImageFeatures, np.ndarray]:
    """Features and labels of the clips that could be decoded."""
    for clip, broken in zip(clips, features.broken, strict=True):
        if broken:
            print(f"{clip.path}: cannot be decoded; left out", file=sys.stderr, flush=True)
    kept = ~features.broken
    if not kept.any():
        raise DataError(f"{task.name}: none of {len(clips)} clips can be decoded, such as {clips[0].path}")
    frames = np.repeat(kept, COUNT)
    return ImageFeatures(features.cls_nld[frames], features.patch_nd[frames], features.broken[kept]), labels_n[kept]


def _pooled(features: ImageFeatures, pooling: Pooling) -> ImageFeatures:
    cls, patch = (pooled(each, COUNT, pooling) for each in (features.cls_nld, features.patch_nd[:, None]))
    return ImageFeatures(cls, patch[:, 0], features.broken)


VIDEO: Kind[Video] = Kind(
    fitting=lambda _: tuple(POOLINGS), usual=lambda _: tuple(POOLINGS), requests=requests, measure=measure, pixels=None
)
