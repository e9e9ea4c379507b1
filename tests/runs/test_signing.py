"""A version says which run made it, and says it once."""

from pathlib import Path

import pytest

from dinov2.registry.client import connect
from dinov2.runs.clone import clone
from dinov2.runs.record import record
from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.storage import file_sha256
from tests.runs.conftest import in_dvc, in_git, registered


def test_a_version_has_the_name_the_commit_and_the_lock_of_its_run(recorded: Context) -> None:
    tags = connect(recorded.settings, recorded.root).get_model_version("dinov2-S", "1").tags
    lock = recorded.root / "var" / "runs" / "first" / "dvc.lock"
    assert tags["dinov2.run"] == "first"
    assert tags["dinov2.commit"] == in_git(recorded.root, "rev-parse", "runs/first")
    assert tags["dinov2.dvc_lock_sha256"] == file_sha256(lock)


def test_a_version_keeps_its_first_run_and_an_outdated_receipt_signs_nothing(
    origin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = clone(origin, "first"), clone(origin, "second")
    for run in (first, second):
        in_dvc(run.root, "repro")
    assert record(first, Settings(), {}, push=False).versions == []
    assert "MLflow has no version" in capsys.readouterr().err
    registered(first)
    assert record(first, Settings(), {}, push=False).versions == ["models:/dinov2-S/1"]
    assert record(second, Settings(), {}, push=False).versions == []
    assert record(first, Settings(), {}, push=False).versions == ["models:/dinov2-S/1"]
    (second.root / "input.txt").write_text("edited\n")
    assert record(second, Settings(), {}, push=False).versions == []
    assert "stage register@S, or one that it needs, is out of date" in capsys.readouterr().err
    assert connect(Settings(), origin).get_model_version("dinov2-S", "1").tags["dinov2.run"] == "first"
