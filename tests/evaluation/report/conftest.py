"""Results of a model on two sets, with pictures."""

import numpy as np
import pytest

from dinov2.evaluation.pictures import Picture
from dinov2.evaluation.pictures.tiles import strip
from dinov2.evaluation.report import ModelReport
from dinov2.evaluation.results import Row, row
from dinov2.evaluation.statistics import Mean

GOOD, FAIR, POOR = (Mean(np.arange(200) < limit) for limit in (180, 140, 100))
CONTROLS = {"random": FAIR, "pixels": POOR}


def rows() -> list[Row]:
    return [
        row("flowers", "knn", "accuracy", GOOD, 0, CONTROLS, published=0.79, details={"k": 20}),
        row("flowers", "knn", "class_accuracy", GOOD, 0, {"random": FAIR}),
        row("flowers", "linear", "accuracy", POOR, 0, CONTROLS),
        row("a|kitchen", "lin.1", "rmse", POOR, 0, {"random": GOOD}, published=0.344),
    ]


@pytest.fixture
def report() -> ModelReport:
    tiles = [np.full((64, 64, 3), 90, np.uint8)] * 4
    picture = Picture(
        "pca", "What it sees", "The features <b>in colour</b>.", "Photographs, and colours",
        {"photographs": strip(tiles), "features: S": strip(tiles)}, legend={"cat & dog": (1, 2, 3)},
        note="5 of 6 right",
    )  # fmt: skip
    return ModelReport(
        "S", {"architecture": "vit_small", "patch": "14"}, rows(), {"flowers": "3 classes, 20 test images"},
        {"hats": "has one class only"}, [picture],
    )  # fmt: skip
