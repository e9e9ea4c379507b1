"""Searches that were killed, and ones that job indexes prepared."""

import sys
from pathlib import Path

import pytest

from dinov2.curation.keep import Keep
from dinov2.curation.search import Pairs, SearchConfig, fill, search, work
from dinov2.curation.vectors import Held
from dinov2.progress import progress
from dinov2.storage import Store
from tests.curation.search.truth import BASE, QUERIES, assert_same, joined

LISTS = SearchConfig(index="ivf_flat", lists=32, parts=3)
CODES = SearchConfig(index="ivf_pq", lists=32, pq_bytes=12)
EXACT = SearchConfig(index="flat", parts=2)
ALL = pytest.mark.parametrize("config", [LISTS, CODES, EXACT], ids=["lists", "codes", "exact"])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four blocks of queries."""
    monkeypatch.setattr(work, "QUERIES", 250)


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """An empty one."""
    return Keep(Store(str(tmp_path / "store")), "vectors")


def found(config: SearchConfig, keep: Keep | None) -> Pairs:
    return joined(search(Held(QUERIES), Held(BASE), 10, config, 0.2, keep))


def forbid_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(work, "nearest", never)
    monkeypatch.setattr(work, "learn", never)
    monkeypatch.setattr(work, "assign", never)


@ALL
def test_keeping_changes_nothing(config: SearchConfig, keep: Keep) -> None:
    assert_same(found(config, None), found(config, keep))


@ALL
def test_what_is_kept_is_not_searched_again(config: SearchConfig, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    first = found(config, keep)
    forbid_work(monkeypatch)
    assert_same(first, found(config, keep))


@ALL
def test_a_killed_search_goes_on_to_the_same_pairs(config: SearchConfig, keep: Keep, tmp_path: Path) -> None:
    whole = found(config, keep)
    blobs = sorted((tmp_path / "store").rglob("*.npz"))
    for blob in blobs[::2]:
        blob.unlink()
    blobs[1].write_bytes(b"damaged")
    assert_same(whole, found(config, keep))


def test_a_search_left_in_the_middle_keeps_what_it_yielded(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = search(Held(QUERIES), Held(BASE), 10, CODES, 0.2, keep)
    first = [next(begun), next(begun)]
    begun.close()
    forbid_work(monkeypatch)
    again = search(Held(QUERIES), Held(BASE), 10, CODES, 0.2, keep)
    for block in first:
        assert_same(block, next(again))
    with pytest.raises(AssertionError, match="searched again"):
        next(again)


@pytest.mark.parametrize("parts", [1, 3])
def test_what_is_kept_does_not_count_as_work_of_this_run(
    keep: Keep, monkeypatch: pytest.MonkeyPatch, parts: int
) -> None:
    config, shown = LISTS.model_copy(update={"parts": parts}), []

    def recorded(what: str, total: int, unit: str = "images", done: int = 0, silent: bool = False) -> object:
        if unit == "queries":
            shown.append((total, done))
        return progress(what, total, unit, done, silent)

    fill(Held(QUERIES), Held(BASE), 10, config, 0.2, keep, 0, 4)  # of four blocks the first, or three of twelve
    for module in (work, sys.modules["dinov2.curation.search.search"]):
        monkeypatch.setattr(module, "progress", recorded)
    found(config, keep)
    assert shown == ([(900, 250)] if parts == 1 else [(900, 750), (900, 0), (900, 0), (900, 0)])


@ALL
def test_three_job_indexes_do_all_the_work(config: SearchConfig, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = found(config, None)
    for index in (2, 0, 1):
        fill(Held(QUERIES), Held(BASE), 10, config, 0.2, keep, index, 3)
    forbid_work(monkeypatch)
    assert_same(alone, found(config, keep))


def test_job_indexes_share_evenly_and_none_twice(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[list[int]] = []
    nearest = work.nearest

    def counted(index: work.Index, part: work.Part, *rest: object) -> Pairs:
        done[-1].append(part.start)
        return nearest(index, part, *rest)

    monkeypatch.setattr(work, "nearest", counted)
    for index in range(3):
        done.append([])
        fill(Held(QUERIES), Held(BASE), 10, LISTS, 0.2, keep, index, 3)
    assert done == [[0] * 4, [2000] * 4, [4000] * 4]


@pytest.mark.parametrize("change", [{"k": 11}, {"above": 0.3}, {"config": LISTS.model_copy(update={"probes": 2})}])
def test_another_question_is_another_search(keep: Keep, change: dict[str, object]) -> None:
    question = {"k": 10, "above": 0.2, "config": LISTS}
    list(search(Held(QUERIES), Held(BASE), keep=keep, **question))
    asked = question | change
    again = joined(search(Held(QUERIES), Held(BASE), keep=keep, **asked))
    assert_same(again, joined(search(Held(QUERIES), Held(BASE), **asked)))
