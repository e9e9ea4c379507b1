"""Commands of this project within a flow run."""

import logging
from pathlib import Path

import pytest

from dinov2.runs.run import Run
from flows import command
from flows.failure import StageError


def test_runs_that_share_a_workspace_have_logs_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "get_run_logger", lambda: logging.getLogger("test"))
    here = Run("promote", tmp_path, tmp_path)
    for log in ("compare-one", "compare-two", ""):
        with pytest.raises(StageError, match=f"{log or 'compare'}.log"):
            command.run_dinov2(here, ["compare", f"--no-{log}"], {}, log=log)
    logs = tmp_path / "var" / "logs"
    assert sorted(path.name for path in logs.iterdir()) == ["compare-one.log", "compare-two.log", "compare.log"]
    assert "--no-compare-one" in (logs / "compare-one.log").read_text()
