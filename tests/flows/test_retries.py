"""What may pass is tried again, less and less often; what will not is told at once."""

import errno
import logging
import os
import uuid
from pathlib import Path

import pytest
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Failed

from dinov2.errors import EXIT_AGAIN, EXIT_USER_ERROR, ConfigError
from flows import retries
from flows.failure import StageError
from flows.quota import QuotaError
from flows.retries import LONGEST_S, MOST, MOST_CRASHES, delays, worth_retrying
from flows.stage import run_stage

FULL = Failed(data=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


@pytest.fixture(autouse=True)
def _without_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "get_run_logger", lambda: logging.getLogger("test"))


def failure(code: int) -> State:
    return Failed(data=StageError("pretrain", code, Path("log"), []))


def task_run() -> TaskRun:
    return TaskRun(id=uuid.uuid4(), task_key="run_stage", dynamic_key="0", flow_run_id=None)


def tried(state: State, run: TaskRun, times: int) -> list[bool]:
    return [worth_retrying(run_stage, run, state) for _ in range(times)]


@pytest.mark.parametrize("state", [failure(1), failure(137), failure(-9), Failed(data=QuotaError("away")), FULL])
def test_a_crash_is_tried_again_a_few_times(state: State) -> None:
    run = task_run()
    assert tried(state, run, 5) == [True] * MOST_CRASHES + [False] * 2
    assert tried(state, task_run(), 1) == [True], "another run's crashes are its own"


@pytest.mark.parametrize("code", [EXIT_USER_ERROR, 251, 255])
def test_a_mistake_and_a_refusal_of_dvc_are_not_tried_again(code: int) -> None:
    assert tried(failure(code), task_run(), 1) == [False]


def test_a_wrong_setting_and_what_nobody_thought_of_are_not_tried_again() -> None:
    for error in (ConfigError("DINOV2_DEVICE: 'cuda'"), KeyError("x"), PermissionError(errno.EACCES, "no"), None):
        assert tried(Failed(data=error), task_run(), 1) == [False]


def test_who_was_told_to_stop_goes_on_and_on_and_it_counts_for_no_crash() -> None:
    run = task_run()
    assert tried(failure(EXIT_AGAIN), run, 20) == [True] * 20
    assert tried(failure(1), run, 4) == [True, True, True, False]
    assert tried(failure(EXIT_AGAIN), run, 1) == [True]


def test_delays_double_up_to_five_minutes_and_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DINOV2_RETRY_SECONDS", raising=False)
    assert delays()[:8] == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, LONGEST_S, LONGEST_S]
    assert len(delays()) == MOST
    monkeypatch.setenv("DINOV2_RETRY_SECONDS", "0.1")
    assert delays()[:3] == [0.1, 0.2, 0.4]
    monkeypatch.setenv("DINOV2_RETRY_SECONDS", "soon")  # refused when the flow reads its settings
    assert delays()[0] == 5.0
    assert run_stage.retries == MOST
