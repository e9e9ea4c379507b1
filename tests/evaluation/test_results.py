import json
from dataclasses import asdict

import numpy as np
import pytest

from dinov2.evaluation.results import row
from dinov2.evaluation.statistics import Mean, interval

GOOD, FAIR, POOR = (Mean(np.arange(200) < limit) for limit in (180, 178, 100))


@pytest.mark.parametrize(
    ("controls", "verdict"),
    [
        ({}, None),
        ({"random": POOR, "pixels": POOR}, "better"),
        ({"random": POOR, "pixels": Mean(np.arange(200) >= 22)}, "cannot tell"),
        ({"random": POOR, "pixels": Mean(np.arange(200) < 199)}, "worse"),
    ],
)
def test_the_verdict_is_that_of_the_hardest_control(controls, verdict):
    found = row("flowers", "knn", "accuracy", GOOD, 0, controls)
    assert found.verdict == verdict
    assert found.controls == {name: interval(control, 0) for name, control in controls.items()}


def test_a_lower_error_is_better():
    found = row("rooms", "lin.1", "rmse", POOR, 0, {"random": GOOD}, published=0.4, details={"left_out": 3})
    assert (found.higher_is_better, found.verdict) == (False, "better")
    assert (found.published, found.details) == (0.4, {"left_out": 3})


def test_a_row_is_plain_numbers():
    found = row("flowers", "knn", "accuracy", GOOD, 0, {"random": POOR})
    assert json.loads(json.dumps(asdict(found)))["controls"]["random"]["value"] == 0.5
    assert (found.value, found.count) == (0.9, 200)
    assert found.low < 0.9 < found.high
