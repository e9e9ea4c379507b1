"""Rates of the steps of curation, by hand and from a small pool."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.curation_rates import main
from benchmarks.curation_steps import Stopwatch
from benchmarks.rate import Rate


def watch(seconds: float, cpu_seconds: float) -> Stopwatch:
    made = Stopwatch()
    made.seconds, made.cpu_seconds = seconds, cpu_seconds
    return made


def test_a_rate_counts_items_and_a_ratio_times() -> None:
    found = Rate("look", 600, watch(3.0, 6.0), "something", watch(2.0, 1.5)).figures()
    assert (found["a_second"], found["a_core_second"]) == (200.0, 100.0)
    assert (found["ratio"], found["cpu_ratio"]) == (1.5, 4.0)


def test_the_command_measures_every_step_and_ends_with_one_line_of_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{seed}.jpg"), pixels)
    monkeypatch.setattr(sys, "argv", ["curation_rates", str(tmp_path), "--items", "300", "--json"])
    main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    described = ["pdq", "hash", "gist", "trained", "ViT-S/14, 224"]
    tables = ["list", "check", "gather", "decide", "components"]
    assert [row["step"] for row in found] == ["look", "look, filters", *described, "pack", *tables]
    assert [row["items"] for row in found] == [3] * 8 + [300] * 5
    assert all(row["a_second"] > 0 and row["ratio"] > 0 for row in found)
