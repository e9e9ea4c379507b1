"""Names and numbers as people write them."""

import re

from dinov2.evaluation import printed
from dinov2.evaluation.statistics import Verdict
from dinov2.evaluation.versus import Versus

PROTOCOLS = {
    "knn": "Nearest neighbours, k = 20",
    "linear": "Linear probe",
    "logistic": "Logistic regression",
    "fewshot": "Few-shot",
    "robustness": "Robustness",
    "corruptions": "Corruptions",
    "retrieval": "Retrieval",
    "copies": "Copy detection",
    "segmentation": "Segmentation, linear",
    "segmentation_ms": "Segmentation, +ms",
    "depth": "Depth, lin.1",
    "depth_lin4": "Depth, lin.4",
    "depth_dpt": "Depth, DPT",
    "video": "Video, mean of frames",
    "video_concatenation": "Video, frames concatenated",
}
METRICS = {
    r"\bmap\b": "mAP",
    r"\bmiou\b": "mIoU",
    r"\bmce\b": "mCE",
    r"\brmse\b": "RMSE",
    r"\babs rel\b": "AbsRel",
    r"\bmicro ap\b": "micro-AP",
    r"\bdelta (\d)": r"δ\1",
    r"\brecall at (\d+)": r"recall@\1",
}
VERDICTS: dict[Verdict | None, str] = {
    "better": "▲ better",
    "worse": "▼ worse",
    "cannot tell": "◆ cannot tell",
    None: "–",
}


def protocol(name: str) -> str:
    """A protocol's name in words; one that is not known keeps its own."""
    return PROTOCOLS.get(name, name)


def metric(name: str) -> str:
    """A metric's name as papers have it."""
    words = name.replace("_", " ")
    for pattern, written in METRICS.items():
        words = re.sub(pattern, written, words)
    return words


def difference(of: Versus) -> str:
    """As +1.2 points (+0.3 to +2.1) ▲ better."""
    by = of.difference
    return f"{printed.gain(of.metric, by.value)} ({printed.reach(of.metric, by.low, by.high)}) {VERDICTS[by.verdict]}"
