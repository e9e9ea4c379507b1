"""What is shown of a stage that failed: why, and where the rest is."""

from pathlib import Path

import pytest

from flows.failure import MOST_LINES, StageError, headline, reason

LOG = Path("/workspace/var/logs/pretrain.log")
DVC = ["ERROR: failed to reproduce 'pretrain': failed to run: dinov2 pretrain, exited with 1"]
STEPS = [f"pretrain: {step}/800 steps, 5.0/s, loss 2.5" for step in range(100)]
TRACE = [
    "Traceback (most recent call last):",
    '  File "loop.py", line 7, in train',
    "    step(batch)",
    "ValueError: the loss is nan",
]


def test_of_one_process_the_traceback_before_the_commands_own_words() -> None:
    told = ["tracking: 3 messages could not be delivered", "error: pretrain: ended with exit code 1"]
    assert reason([*STEPS, *TRACE, *told, *DVC]) == [*TRACE, *told]
    assert headline(reason([*STEPS, *TRACE, *told, *DVC])) == "ValueError: the loss is nan"


def test_of_several_processes_the_traceback_of_the_first_and_not_the_one_seen_last() -> None:
    lost = ["Traceback (most recent call last):", '  File "x.py", line 1', "DistBackendError: connection closed"]
    told = ["error: pretrain: ended with exit code 1; rank 3 was the first:", *TRACE]
    assert reason([*STEPS, *lost, *told, *DVC]) == told
    assert headline(told) == "ValueError: the loss is nan"
    cluster = ["error: pretrain: failed for good after 7 failed pods; 6 may fail", "first failing rank 3, code 1:"]
    assert headline(reason([*STEPS, *lost, *cluster, *TRACE, *DVC])) == "ValueError: the loss is nan"


def test_a_chain_of_errors_is_shown_from_its_first() -> None:
    chain = [
        "Traceback (most recent call last):",
        "  in a",
        "KeyError: 'x'",
        "During handling of the above exception, another exception occurred:",
        *TRACE,
    ]
    assert reason([*STEPS, *chain, "error: pretrain: ended with exit code 1"])[: len(chain)] == chain


def test_a_users_mistake_is_one_line_and_an_old_traceback_has_nothing_to_do_with_it() -> None:
    told = ["error: params.yaml: pretrain.base_lr: 'fast': not a number", "error: pretrain: stopped by the error above"]
    assert reason([*TRACE, *STEPS, *told, *DVC]) == told
    assert headline(told) == "params.yaml: pretrain.base_lr: 'fast': not a number"


@pytest.mark.parametrize("lines", [[], STEPS, DVC, ["killed"]])
def test_a_log_without_a_reason_has_none(lines: list[str]) -> None:
    assert reason(lines) == []
    error = StageError("pretrain", 137, LOG, lines)
    first, *rest = str(error).splitlines()
    assert first == "stage pretrain failed with exit code 137"
    assert rest == [*lines[-30:], f"whole log: {LOG}"]


def test_the_first_line_says_what_happened_and_the_last_where_all_of_it_is() -> None:
    lines = [*STEPS, *TRACE, "error: pretrain: ended with exit code 1", *DVC]
    said = str(StageError("pretrain", 1, LOG, lines)).splitlines()
    assert said[0] == "stage pretrain failed with exit code 1: ValueError: the loss is nan"
    assert said[1:-1] == lines[-30:], "the last lines, which the reason is among"
    assert said[-1] == f"whole log: {LOG}"


def test_a_long_traceback_is_cut_in_its_middle_and_a_long_line_at_its_end() -> None:
    frames = [f"  frame {number}" for number in range(300)]
    lines = [TRACE[0], *frames, "RuntimeError: " + "x" * 5000, "error: pretrain: ended with exit code 1"]
    error = StageError("pretrain", 1, LOG, lines)
    assert len(error.lines) == MOST_LINES + 1
    assert error.lines[0] == TRACE[0]
    assert "… 183 lines …" in error.lines
    assert error.lines[-1] == lines[-1]
    assert max(map(len, str(error).splitlines())) < 600
