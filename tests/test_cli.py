"""What the command line makes of the ends of jobs."""

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from dinov2 import cli
from dinov2.errors import EXIT_AGAIN
from dinov2.launch import JobFailedError


@pytest.mark.parametrize(("again", "code"), [(False, 1), (True, EXIT_AGAIN)])
def test_a_job_that_was_told_to_stop_has_a_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, again: bool, code: int
) -> None:
    def run(_: object) -> None:
        raise JobFailedError("pretrain: ended", again)

    monkeypatch.setattr(cli, "import_module", lambda _: SimpleNamespace(run=run))
    monkeypatch.setattr("dinov2.stages.context.open_workspace", lambda: None)
    ended = CliRunner().invoke(cli.app, ["pretrain"])
    assert ended.exit_code == code
    assert ended.stderr == "error: pretrain: ended\n"
