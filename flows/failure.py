"""A stage that failed: why, as far as its log tells."""

from collections.abc import Sequence
from pathlib import Path

TAIL_LINES = 30
MOST_LINES = 120
"""That an error shows: a long traceback is cut in its middle."""
MOST_CHARACTERS = 500
"""Of each of them."""
TRACEBACK = "Traceback (most recent call last):"
CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
TOLD = "error: "
"""Begins what a command says of its own failure; of several processes also what the first to fail said."""
ABOVE = "stopped by the error above"
NEAR = 10
"""Lines between a traceback and what the command said of it."""
OF_DVC = "ERROR: failed to reproduce"


class StageError(RuntimeError):
    """The message names the stage, the code and the error, shows the end of its log and says where all of it is.

    Attributes:
        stage: as `dvc repro` takes it.
        code: the stage's own exit code.
        log: the file.
        lines: the end of it, with all of the reason.
    """

    def __init__(self, stage: str, code: int, log: Path, lines: Sequence[str]) -> None:
        """A stage whose own exit code was `code`, and the last lines of its log."""
        self.stage, self.code, self.log = stage, code, log
        self.reason = reason(lines)
        start = min(_place(lines), max(0, len(lines) - TAIL_LINES))
        self.lines = cut(lines[start:])
        why = headline(self.reason)
        told = [f"stage {stage} failed with exit code {code}{why and f': {why}'}", *self.lines, f"whole log: {log}"]
        super().__init__("\n".join(told))


def reason(lines: Sequence[str]) -> list[str]:
    """The part of a log that tells why its command failed: the traceback, of several processes that of the first.

    Args:
        lines: the last ones of the log; without a reason among them the result is empty.
    """
    kept = lines[_place(lines) :]
    return [line for line in kept if not line.startswith(OF_DVC)]


def headline(reason: Sequence[str]) -> str:
    """The one line of a reason that says most: of a traceback the exception."""
    if TRACEBACK not in reason:
        return next((line.removeprefix(TOLD) for line in reason), "")[:MOST_CHARACTERS]
    after = reason[len(reason) - list(reversed(reason)).index(TRACEBACK) :]
    return next((line for line in after if not line.startswith(" ")), "")[:MOST_CHARACTERS]


def cut(lines: Sequence[str]) -> list[str]:
    """Lines as an error shows them: not too many, and none too long."""
    short = [f"{line[:MOST_CHARACTERS]} …" if len(line) > MOST_CHARACTERS else line for line in lines]
    if len(short) <= MOST_LINES:
        return short
    half = MOST_LINES // 2
    return [*short[:half], f"… {len(short) - 2 * half} lines …", *short[-half:]]


def _place(lines: Sequence[str]) -> int:
    """Where the reason begins: with what the command said at last, or with the traceback just before that."""
    said = _last(lines, TOLD)
    while said < len(lines) and lines[said].endswith(ABOVE) and (earlier := _last(lines[:said], TOLD)) < said:
        said = earlier
    if TRACEBACK in lines[said:]:
        return said
    start = _last(lines[:said], TRACEBACK)
    raised = next((number for number in range(start + 1, said) if not lines[number].startswith(" ")), said)
    if start == said or said - raised > NEAR:
        return said
    while start and lines[start - 1].startswith(CHAINED):
        start = _last(lines[: start - 1], TRACEBACK)
    return start


def _last(lines: Sequence[str], beginning: str) -> int:
    """The last line that begins so; behind the end if none does."""
    return next((n for n in reversed(range(len(lines))) if lines[n].startswith(beginning)), len(lines))
