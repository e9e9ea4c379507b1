"""Failures as processes leave them, and which of them is the cause."""

from pathlib import Path

import pytest

from dinov2.errors import UserError, told_in_one_line
from dinov2.launch.failure import Failure, failures_in, failures_of, first, in_a_job, in_words, leave

RESET = "RuntimeError: [gloo/transport/tcp/pair.cc:537] Read error [10.0.0.1]:5538: Connection reset by peer"
AWAY = "torch.distributed.DistNetworkError: failed to recv, got 0 bytes"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process, of rank 3, leaves its failure."""
    monkeypatch.setenv("DINOV2_FAILURES", str(tmp_path))
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setattr("dinov2.launch.failure.end_with_parent", lambda: None)
    return tmp_path


def test_the_earliest_is_the_cause_unless_it_only_lost_contact() -> None:
    lost = Failure(rank=0, time=1.0, code=1, error=RESET)
    away = Failure(rank=1, time=2.0, code=1, error=AWAY)
    later = Failure(rank=2, time=4.0, code=1, error="ValueError: two")
    cause = Failure(rank=3, time=3.0, code=-9, error=in_words(-9))
    assert first([lost, away, later, cause]) == cause
    assert first([away, lost]) == lost
    assert first([]) is None


def test_a_line_of_a_log_holds_a_failure_whole(capsys: pytest.CaptureFixture[str]) -> None:
    failure = Failure(rank=5, time=1.5, code=2, error='Traceback:\n  "ü"\n')
    log = f"step 1\n{failure.line}\n  dinov2-failure quoted\ndinov2-failure {{cut"
    assert failures_in(log) == [failure]
    assert "\n" not in failure.line
    assert "not understood: dinov2-failure {cut" in capsys.readouterr().err


def test_of_a_long_error_the_end_is_told() -> None:
    (found,) = failures_in(Failure(rank=0, time=0.0, code=1, error="x" * 100_000 + "ValueError: why").line)
    assert found.error.endswith("xValueError: why")
    assert len(found.error) < 10_000


def test_an_exception_is_left_with_its_traceback(folder: Path) -> None:
    with pytest.raises(KeyError), in_a_job():
        _ = {}["pixels"]
    (found,) = failures_of(folder)
    assert (found.rank, found.code) == (3, 1)
    assert "Traceback" in found.error
    assert found.error.endswith("KeyError: 'pixels'\n")


def test_a_mistake_of_the_user_is_left_in_one_line(folder: Path) -> None:
    with pytest.raises(SystemExit), in_a_job(), told_in_one_line():
        raise UserError("the pool is empty")
    (found,) = failures_of(folder)
    assert (found.code, found.error) == (2, "the pool is empty")


def test_a_good_end_leaves_nothing(folder: Path) -> None:
    with in_a_job():
        pass
    with pytest.raises(SystemExit), in_a_job():
        raise SystemExit(0)
    assert failures_of(folder) == []


def test_what_a_process_left_itself_is_not_replaced(folder: Path) -> None:
    own, seen = (Failure(rank=0, time=0.0, code=code, error="") for code in (2, 1))
    leave(own, folder)
    leave(seen, folder)
    assert failures_of(folder) == [own]
