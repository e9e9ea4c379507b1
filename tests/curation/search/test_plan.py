"""Which index is chosen, at the bounds of size and budget."""

import pytest

from dinov2.config import parse
from dinov2.curation.search import SearchConfig
from dinov2.curation.search.plan import GIB, plan
from dinov2.errors import ConfigError

MILLION = 1_000_000


def test_exact_up_to_a_size_and_an_index_beyond() -> None:
    config = SearchConfig(exact_below=50_000)
    assert plan(50_000, 64, 50_000, config).kind == "flat"
    assert plan(50_001, 64, 50_001, config).kind == "ivf_flat"


def test_few_queries_are_searched_exactly_in_any_base() -> None:
    assert plan(3 * MILLION, 384, 100, SearchConfig()).kind == "flat"
    assert plan(3 * MILLION, 384, 30_000, SearchConfig()).kind == "ivf_flat"


def test_lists_grow_as_the_root_of_a_base_that_is_searched_for_itself() -> None:
    lists = {count: plan(count, 384, count, SearchConfig()).lists for count in (300_000, MILLION, 3 * MILLION)}
    assert lists == {300_000: 2048, MILLION: 4096, 3 * MILLION: 8192}


@pytest.mark.parametrize(
    ("count", "memory", "kind", "parts"),
    [
        (3 * MILLION, 4, "ivf_flat", 1),
        (5 * MILLION, 4, "ivf_pq", 1),
        (40 * MILLION, 4, "ivf_pq", 1),
        (100 * MILLION, 4, "ivf_pq", 2),
        (1_200 * MILLION, 100, "ivf_pq", 1),
    ],
)
def test_codes_and_then_parts_where_memory_is_short(count: int, memory: float, kind: str, parts: int) -> None:
    chosen = plan(count, 384, count, SearchConfig(memory_gib=memory))
    assert (chosen.kind, chosen.parts) == (kind, parts)


@pytest.mark.parametrize("kind", ["flat", "ivf_flat", "ivf_pq"])
@pytest.mark.parametrize("memory", [1.5, 4, 64])
def test_a_part_fits_the_memory_and_parts_make_up_the_base(kind: str, memory: float) -> None:
    count = 23_456_789
    chosen = plan(count, 384, count, SearchConfig(index=kind, memory_gib=memory))
    size = {"flat": 4 * 384, "ivf_flat": 2 * 384 + 8, "ivf_pq": chosen.pq_bytes + 8}[kind]
    assert chosen.rows * size <= (memory - 1.1) * GIB
    assert chosen.points * 4 * 384 <= (memory - 1.1) * GIB
    assert chosen.rows * (chosen.parts - 1) < count <= chosen.rows * chosen.parts


def test_shorter_codes_rather_than_parts() -> None:
    bytes_of = [plan(count, 384, count, SearchConfig()).pq_bytes for count in (20 * MILLION, 50 * MILLION)]
    assert bytes_of == [96, 48]


@pytest.mark.parametrize(("count", "kind"), [(255, "flat"), (256, "ivf_pq")])
def test_codes_are_learnt_from_no_fewer_vectors_than_they_have_values(count: int, kind: str) -> None:
    chosen = plan(count, 64, 10, SearchConfig(index="ivf_pq"))
    assert chosen.kind == kind
    assert chosen.points in (0, 256)


def test_overrides_stand() -> None:
    config = SearchConfig(index="ivf_pq", lists=100, probes=7, parts=3, pq_bytes=12, rerank=50)
    chosen = plan(90_000, 48, 10, config)
    assert (chosen.kind, chosen.lists, chosen.probes, chosen.parts) == ("ivf_pq", 100, 7, 3)
    assert (chosen.rows, chosen.pq_bytes, chosen.rerank) == (30_000, 12, 50)


def test_a_budget_that_nothing_fits_is_refused_with_the_least_that_does() -> None:
    with pytest.raises(ConfigError, match=r"memory_gib: 0.5: .*at least 1\.1"):
        plan(1000, 384, 1000, SearchConfig(memory_gib=0.5))


def test_parts_that_do_not_fit_are_refused_with_how_many_would() -> None:
    with pytest.raises(ConfigError, match=r"parts: 1: 50000000 vectors in ivf_flat .*at least (\d+)") as refused:
        plan(50 * MILLION, 384, 50 * MILLION, SearchConfig(index="ivf_flat", parts=1))
    least = int(str(refused.value).split()[-1])
    assert plan(50 * MILLION, 384, 50 * MILLION, SearchConfig(index="ivf_flat", parts=least)).parts == least


def test_more_lists_than_vectors_are_refused() -> None:
    with pytest.raises(ConfigError, match="lists: 101: more than the 100 vectors"):
        plan(100, 8, 100, SearchConfig(index="ivf_flat", lists=101))


def test_more_probes_than_lists_are_refused() -> None:
    with pytest.raises(ConfigError, match="probes: 9: more than the 8 lists"):
        parse(SearchConfig, {"lists": 8, "probes": 9}, "params.yaml")
