"""Exact search against every cosine in float64."""

import faiss
import numpy as np
import pytest

from dinov2.curation.search import SearchConfig, exact, rows, search, work
from dinov2.curation.vectors import Held
from dinov2.errors import DataError
from tests.curation.search.truth import BASE, QUERIES, assert_same, brute_force, joined

CONFIG = SearchConfig()


@pytest.mark.parametrize("k", [1, 4, 64])
@pytest.mark.parametrize("above", [-1.0, 0.5, 0.9])
def test_equals_brute_force(k: int, above: float) -> None:
    found = joined(search(Held(QUERIES), Held(BASE), k, CONFIG, above))
    assert_same(found, brute_force(QUERIES, BASE, k, above))


def test_vectors_of_other_lengths_are_compared_by_their_directions() -> None:
    random = np.random.default_rng(3)
    queries, base = (3 * random.standard_normal((count, 24)).astype(np.float16) for count in (50, 700))
    assert_same(joined(search(Held(queries), Held(base), 9, CONFIG)), brute_force(queries, base, 9))


def test_a_base_searched_for_itself_finds_each_vector_first() -> None:
    vectors = Held(BASE)
    found = joined(search(vectors, vectors, 1, CONFIG))
    np.testing.assert_array_equal(found.neighbour, np.arange(len(BASE)))
    assert (found.similarity == 1).all()


def test_equally_alike_come_in_order_of_number_however_many_they_are() -> None:
    copies = np.concatenate([BASE[:30]] * 150)
    found = joined(search(Held(BASE[:40]), Held(copies), 5, CONFIG))
    assert_same(found, brute_force(BASE[:40], copies, 5))
    np.testing.assert_array_equal(found.neighbour[:5], np.arange(5) * 30)


def test_cosines_of_few_values_are_cut_at_the_lower_numbers() -> None:
    signs = np.random.default_rng(4).choice([-0.25, 0.25], (2000, 16)).astype(np.float16)
    assert_same(joined(search(Held(signs), Held(signs), 10, CONFIG, 0.2)), brute_force(signs, signs, 10, 0.2))


def test_fewer_vectors_than_k_gives_all_of_them() -> None:
    found = joined(search(Held(QUERIES[:5]), Held(BASE[:3]), 64, CONFIG))
    assert_same(found, brute_force(QUERIES[:5], BASE[:3], 64))
    assert len(found) == 15


def test_nothing_to_search_for_or_among() -> None:
    assert not list(search(Held(QUERIES[:0]), Held(BASE), 4, CONFIG))
    assert not list(search(Held(QUERIES), Held(BASE[:0]), 4, CONFIG))


def test_a_query_without_neighbours_above_has_no_pair() -> None:
    (block,) = search(Held(QUERIES[:3]), Held(-QUERIES[:3]), 4, CONFIG, 0.99)
    assert len(block) == 0


def test_parts_are_merged_exactly() -> None:
    whole = joined(search(Held(QUERIES), Held(BASE), 20, CONFIG, 0.3))
    parts = joined(search(Held(QUERIES), Held(BASE), 20, SearchConfig(index="flat", parts=7), 0.3))
    assert_same(whole, parts)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = joined(search(Held(QUERIES), Held(BASE), 20, CONFIG, 0.3))
    sizes = ((work, "QUERIES", 61), (rows, "ROWS", 97), (exact, "TAKEN", 89), (exact, "AT_ONCE", 13))
    for module, name, size in (*sizes, (exact, "PROPOSED", 500)):
        monkeypatch.setattr(module, name, size)
    blocks = list(search(Held(QUERIES), Held(BASE), 20, CONFIG, 0.3))
    assert [int(block.query[0]) for block in blocks] == list(range(0, 900, 61))
    assert_same(whole, joined(blocks))


def test_threads_change_no_bit() -> None:
    before = faiss.omp_get_max_threads()
    try:
        found = []
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            found.append(joined(search(Held(QUERIES), Held(BASE), 20, CONFIG)))
    finally:
        faiss.omp_set_num_threads(before)
    assert_same(*found)


def test_a_vector_that_is_not_finite_is_refused() -> None:
    broken = BASE[:100].copy()
    broken[7, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        list(search(Held(QUERIES), Held(broken), 4, CONFIG))
