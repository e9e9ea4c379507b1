"""A model against another, on answers that are made up."""

import numpy as np
import pytest

from dinov2.errors import DataError
from dinov2.evaluation.measured import Measured
from dinov2.evaluation.protocols.answer import Answer
from dinov2.evaluation.statistics import Mean, difference
from dinov2.evaluation.versus import against, versus

LOW, HIGH = (np.random.default_rng(0).uniform(*ends, 40) for ends in ((0.1, 0.2), (0.3, 0.4)))


def measured(values_n):
    statistics = {"rmse": Mean(values_n), "delta_1": Mean(values_n)}
    return Measured("rooms", {"model": {"depth": Answer(statistics)}}, {})


def test_less_of_an_error_is_better_and_less_of_anything_else_worse():
    errors, shares = versus(measured(LOW), measured(HIGH), 0)
    assert (errors.metric, errors.ours, errors.theirs) == (
        "rmse",
        pytest.approx(LOW.mean()),
        pytest.approx(HIGH.mean()),
    )
    assert errors.difference == difference(Mean(LOW), Mean(HIGH), 0, higher_is_better=False)
    assert (errors.difference.verdict, shares.difference.verdict) == ("better", "worse")


def test_a_line_for_each_metric_has_both_and_their_difference():
    header, errors, _ = against(versus(measured(LOW), measured(HIGH), 0), "new", "old")
    assert header.split() == ["dataset", "protocol", "metric", "new", "old", "difference", "verdict"]
    numbers = [f"{each:.3f}" for each in (LOW.mean(), HIGH.mean())] + [f"−{HIGH.mean() - LOW.mean():.3f}"]
    assert errors.split()[:6] == ["rooms", "depth", "rmse", *numbers]
    assert errors.endswith("better")


def test_other_images_cannot_be_paired():
    with pytest.raises(DataError, match="cannot be paired"):
        versus(measured(LOW), measured(HIGH[:30]), 0)
