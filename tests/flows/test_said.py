"""What a stage says is passed on as it comes, and tells how the stage went."""

import logging

import pytest

from flows.said import KEPT_LINES, Said

RUN = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("Running stage 'distill@S':", "ran"),
        ("Stage 'distill@S' is cached - skipping run, checking out outputs", "restored"),
        ("Stage 'distill@S' didn't change, skipping", "up to date"),
        ("Running stage 'distill@B':", "up to date"),
        ("> echo Running stage 'distill@S':", "up to date"),
    ],
)
def test_dvcs_own_words_tell_the_outcome(line: str, outcome: str) -> None:
    said = Said("distill@S", logging.getLogger("test"))
    said.listen(line)
    said.listen("another line")
    assert said.outcome == outcome


def test_every_line_is_passed_on_without_what_a_database_refuses(caplog: pytest.LogCaptureFixture) -> None:
    said = Said("first", logging.getLogger("test"))
    with caplog.at_level(logging.INFO, "test"):
        for line in ("100% done", "a\x00b"):
            said.listen(line)
    assert [record.getMessage() for record in caplog.records] == ["100% done", "a\N{REPLACEMENT CHARACTER}b"]


def test_runs_of_mlflow_are_remembered_when_their_lines_are_long_past() -> None:
    said = Said("distill@S", logging.getLogger("test"))
    said.listen(f"tracking: S: MLflow run {RUN}")
    for number in range(KEPT_LINES + 5):
        said.listen(f"line {number}")
    assert said.lines == [f"tracking: S: MLflow run {RUN}", *(f"line {n}" for n in range(5, KEPT_LINES + 5))]
