"""Figures of the paper (DINOv2, Oquab et al. 2023), for the same set, architecture and protocol."""

import re

from dinov2.evaluation.backbones import Backbone
from dinov2.models import ARCHITECTURES

IMAGENET, ADE20K, NYUD, OXFORD, KINETICS, UCF = "imagenet1k", "ade20k", "nyud", "roxford5k", "kinetics400", "ucf101"
NAMES = {
    IMAGENET: IMAGENET, "imagenet": IMAGENET, "in1k": IMAGENET, "ilsvrc2012": IMAGENET,
    ADE20K: ADE20K, "adechallengedata2016": ADE20K,
    NYUD: NYUD, "nyu": NYUD, "nyudepthv2": NYUD,
    OXFORD: OXFORD, "oxford5k": OXFORD, "roxford": OXFORD,
    KINETICS: KINETICS, "k400": KINETICS,
    UCF: UCF,
}  # fmt: skip
"""What the folder of a set may be called, in small letters and digits alone."""

SMALL, BASE, LARGE, GIANT = "vit_small", "vit_base", "vit_large", "vit_giant2"

FIGURES: dict[tuple[str, str, str, str], float] = {
    (IMAGENET, SMALL, "knn", "accuracy"): 0.790, (IMAGENET, SMALL, "linear", "accuracy"): 0.811,
    (IMAGENET, BASE, "knn", "accuracy"): 0.821, (IMAGENET, BASE, "linear", "accuracy"): 0.845,
    (IMAGENET, LARGE, "knn", "accuracy"): 0.835, (IMAGENET, LARGE, "linear", "accuracy"): 0.863,
    (IMAGENET, GIANT, "knn", "accuracy"): 0.835, (IMAGENET, GIANT, "linear", "accuracy"): 0.865,
    (IMAGENET, GIANT, "robustness", "accuracy_imageneta"): 0.759,
    (IMAGENET, GIANT, "robustness", "accuracy_imagenetr"): 0.788,
    (IMAGENET, GIANT, "robustness", "accuracy_sketch"): 0.625,
    (IMAGENET, GIANT, "robustness", "mce"): 0.282,
    (ADE20K, GIANT, "segmentation", "miou"): 0.490, (ADE20K, GIANT, "segmentation_ms", "miou"): 0.530,
    (NYUD, GIANT, "depth", "rmse"): 0.344, (NYUD, GIANT, "depth_lin4", "rmse"): 0.298,
    (NYUD, GIANT, "depth_dpt", "rmse"): 0.279,
    (OXFORD, GIANT, "retrieval", "map_revisited_hard"): 0.523,
    (KINETICS, GIANT, "video", "accuracy"): 0.784, (UCF, GIANT, "video", "accuracy"): 0.912,
}  # fmt: skip
"""By set, architecture with patches of 14, protocol and metric; shares of 1, metres for depth."""


def architecture(backbone: Backbone) -> str | None:
    """Which of the published architectures a backbone has; None for others."""
    found = {"embed_dim": backbone.embed_dim, "depth": backbone.depth}
    for name in (SMALL, BASE, LARGE, GIANT):
        if backbone.patch_size == 14 and found.items() <= ARCHITECTURES[name].items():
            return name
    return None


def published(dataset: str, arch: str | None, protocol: str, metric: str) -> float | None:
    """The figure of the paper, or None.

    Args:
        dataset: name of the set's folder.
        arch: see `architecture`.
        protocol: by its name here.
        metric: likewise.
    """
    prefix, of, test = metric.partition("_")
    named = f"{prefix}_{_plain(test)}" if protocol == "robustness" and of else metric
    named = named.replace("imagenetsketch", "sketch")
    return FIGURES.get((NAMES.get(_plain(dataset), ""), arch or "", protocol, named))


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
