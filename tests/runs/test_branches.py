"""Recorded runs are found by what their commits say."""

from pathlib import Path

import pytest

from dinov2.runs.branches import latest
from dinov2.runs.record import record
from dinov2.settings import Settings
from tests.runs.test_record import ran


def test_the_latest_run_of_a_flow_is_the_one_that_was_recorded_last(
    origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert latest(origin, "recurate") is None
    for day, name, flow in ((1, "c", "recurate"), (2, "a", "pipeline"), (3, "b", "recurate")):
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"2026-11-0{day}T00:00:00Z")
        record(ran(origin, name), Settings(), {"Flow": flow}, push=False)
    assert latest(origin, "recurate") == "runs/b"
    assert latest(origin, "pipeline") == "runs/a"
    assert latest(origin, "promote") is None
