"""The page of a stage that failed shows why, and nothing that a log says gets out of its block."""

from pathlib import Path

from dinov2.runs.cost import Cost
from dinov2.settings import Settings
from flows.artifacts.ended import Ended
from flows.artifacts.failed import failed
from flows.failure import StageError
from tests.flows.artifacts.test_markdown import MARKDOWN, seen

TRACE = ["Traceback (most recent call last):", '  File "loop.py", line 7', "ValueError: <b>nan</b> ``` | [x](y)"]
LINES = [*(f"step {n}" for n in range(50)), "error: pretrain: ended with exit code 1; rank 3 was the first:", *TRACE]


def page(tmp_path: Path, lines: list[str]) -> tuple[str, str]:
    """Description and content."""
    log = tmp_path / "var/logs/pretrain.log"
    ended = Ended(tmp_path, "pretrain", "failed with exit code 1", 5.0, Cost(2.0), lines, Settings())
    (artifact,) = failed(ended, StageError("pretrain", 1, log, lines))
    assert (artifact.type, artifact.key) == ("markdown", "pretrain")
    return str(artifact.description), str(artifact.data)


def test_the_traceback_of_the_first_rank_comes_first_and_the_last_lines_follow(tmp_path: Path) -> None:
    description, content = page(tmp_path, LINES)
    told = seen(MARKDOWN.render(content))
    assert seen(MARKDOWN.renderInline(description)) == f"pretrain: failed with exit code 1: {TRACE[-1]}"
    why, _, last = told.partition("Last lines")
    assert "\n".join(LINES[-4:]) in why
    assert "step 49" not in why
    assert "\n".join(LINES[-30:]) in last
    assert "step 23" not in last
    assert f"Whole log: {tmp_path}/var/logs/pretrain.log" in last


def test_what_a_log_says_stays_in_its_block(tmp_path: Path) -> None:
    rendered = MARKDOWN.render(page(tmp_path, LINES)[1])
    assert rendered.count("<pre><code>") == rendered.count("</code></pre>") == 2
    assert "<b>" not in rendered
    assert "<a " not in rendered


def test_without_a_reason_the_last_lines_are_all(tmp_path: Path) -> None:
    content = page(tmp_path, ["killed"])[1]
    assert "Why" not in content
    assert "## Last lines\n\n```\nkilled\n```\n" in content
