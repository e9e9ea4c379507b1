"""Whether a drift is past the threshold."""

from pathlib import Path
from typing import Any

import pytest

from dinov2.runs.retraining import RetrainingConfig, load_rules, worth_training

RULES = RetrainingConfig(frechet=0.02, p=0.05)
FAR = {"frechet": 0.5, "mmd2_p": 0.001}


@pytest.mark.parametrize(
    ("changes", "worth"),
    [
        ({}, True),
        ({"frechet": 0.02, "mmd2_p": 0.05}, True),
        ({"frechet": 0.019}, False),
        ({"mmd2_p": 0.06}, False),
    ],
)
def test_both_figures_must_be_past_it(changes: dict[str, float], worth: bool) -> None:
    found, why = worth_training(RULES, {"drift": FAR | changes})
    assert found is worth
    assert "Fréchet distance" in why


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        ({"drift": None, "no_drift_because": "other descriptors"}, "other descriptors"),
        ({}, "no reason"),
        ({"drift": {"frechet": 0.5}}, "lacks a figure"),
    ],
)
def test_what_was_not_measured_is_past_no_threshold(summary: dict[str, Any], said: str) -> None:
    found, why = worth_training(RULES, summary)
    assert not found
    assert said in why


def test_the_threshold_of_the_repository_is_read() -> None:
    assert load_rules(Path(__file__).parents[2]).p < 1
