"""Rules of data quality on figures written by hand, and on those that the stages write."""

import copy
from pathlib import Path
from typing import Any

import pytest

from dinov2.data.config import SourceConfig
from dinov2.errors import ConfigError
from dinov2.runs.quality import Figures, QualityConfig, check, load_rules

ROOT = Path(__file__).parents[2]
SOURCES = [
    SourceConfig(name="web", uri="web", role="pool"),
    SourceConfig(name="own", uri="own", role="curated"),
    SourceConfig(name="held", uri="held", role="evaluation"),
]
RULES = QualityConfig(rejects=0.1, duplicates=0.25, shrinkage=0.2)
GOOD: dict[str, dict[str, Any]] = {
    "ingest": {
        "sources": {
            "web": {"images": 90, "rejected": 10},
            "own": {"images": 20, "rejected": 0},
            "held": {"images": 9, "rejected": 1},
        }
    },
    "deduplicate": {
        "sources": {
            "web": {"kept": 75, "self": 20, "evaluation": 5},
            "own": {"kept": 20, "self": 0, "evaluation": 0},
        }
    },
    "retrieve": {"sources": {"web": 50, "own": 20}},
}


def figures(**changes: Any) -> Figures:
    """`GOOD`, with values replaced: `ingest__sources__web__images=3`; None takes one away."""
    content = copy.deepcopy(GOOD)
    for place, value in changes.items():
        *way, last = place.split("__")
        at: dict[str, Any] = content
        for name in way:
            at = at[name]
        if value is None:
            del at[last]
        else:
            at[last] = value
    return Figures(**content)


def broken(now: Figures, before: Figures | None = None) -> list[str]:
    return check(RULES, SOURCES, now, before)


def test_figures_at_their_limits_break_no_rule() -> None:
    before = figures(ingest__sources__web__images=112, retrieve__sources__web=62)
    assert broken(figures(), before) == []


def test_too_many_rejects_are_named_with_figure_and_limit() -> None:
    assert broken(figures(ingest__sources__web__rejected=30)) == [
        "rejects: source web: 30 of 120 files are unusable, 25.0%; allowed are 10.0%"
    ]


def test_a_small_source_is_judged_by_itself() -> None:
    assert [line[:20] for line in broken(figures(ingest__sources__held__rejected=9))] == ["rejects: source held"]


def test_copies_of_evaluation_images_count_as_duplicates() -> None:
    assert broken(figures(deduplicate__sources__web__evaluation=30)) == [
        "duplicates: source web: 50 of 125 training images are copies, 40.0%; allowed are 25.0%"
    ]


def test_a_source_that_shrank_is_named_with_both_numbers() -> None:
    assert broken(figures(), figures(ingest__sources__own__images=40, retrieve__sources__web=100)) == [
        "shrinkage: source web: 50 training images where there were 100, 50.0% less; allowed are 20.0%",
        "shrinkage: source own: 20 usable images where there were 40, 50.0% less; allowed are 20.0%",
    ]


def test_a_source_of_which_nothing_is_retrieved_any_more_has_shrunk_to_nothing() -> None:
    assert broken(figures(retrieve__sources__web=None), figures()) == [
        "shrinkage: source web: 0 training images where there were 50, 100.0% less; allowed are 20.0%"
    ]


def test_nothing_is_compared_the_first_time_or_of_a_new_source() -> None:
    new = figures(ingest__sources__own=None, deduplicate__sources__own=None, retrieve__sources__own=None)
    assert broken(figures()) == broken(figures(), new) == []


def test_of_a_source_that_is_no_parameter_any_more_nothing_is_asked() -> None:
    now = figures(ingest__sources__own=None, deduplicate__sources__own=None, retrieve__sources__own=None)
    assert check(RULES, [source for source in SOURCES if source.name != "own"], now, figures()) == []


@pytest.mark.parametrize(
    ("missing", "rules"),
    [
        ("ingest", {"rejects", "shrinkage"}),
        ("ingest__sources__web__rejected", {"rejects"}),
        ("ingest__sources__web", {"rejects", "shrinkage"}),
        ("deduplicate__sources__web__self", {"duplicates"}),
        ("deduplicate__sources", {"duplicates"}),
        ("retrieve__sources", {"shrinkage"}),
    ],
)
def test_a_figure_that_is_missing_breaks_its_rule(missing: str, rules: set[str]) -> None:
    now = figures(**{missing: {} if "__" not in missing else None})
    found = broken(now, figures())
    assert {line.split(":")[0] for line in found} == rules
    assert all("missing" in line or "not known" in line for line in found)


def test_a_figure_that_was_missing_before_breaks_the_comparison() -> None:
    for missing in ("ingest__sources", "retrieve__sources"):
        assert any("were is not known" in line for line in broken(figures(), figures(**{missing: None})))


def test_a_source_without_any_file_breaks_a_rule() -> None:
    empty = figures(ingest__sources__held={"images": 0, "rejected": 0})
    assert broken(empty) == ["rejects: source held: the figure is missing"]


def test_the_rules_of_the_repository_are_read() -> None:
    rules = load_rules(ROOT)
    assert 0 < rules.rejects < 1
    assert 0 < rules.shrinkage < 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("promotion: {}", "rules.yaml: quality: missing"),
        ("quality: {rejects: 0.1, duplicates: 0.1}", "rules.yaml: quality: shrinkage: missing"),
        ("quality: {rejects: 10, duplicates: 0.1, shrinkage: 0}", "rules.yaml: quality: rejects: 10"),
        ("quality: {reject: 0, rejects: 0, duplicates: 0, shrinkage: 0}", "reject: no such parameter"),
    ],
)
def test_rules_that_are_none_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_rules(tmp_path)
