"""Indexes of lists against every cosine in float64."""

import numpy as np
import pytest

from dinov2.curation.search import Pairs, SearchConfig, search
from dinov2.curation.vectors import Held
from tests.curation.search.truth import BASE, QUERIES, assert_same, brute_force, clustered, joined

K = 4


def recall(found: Pairs, truth: Pairs) -> float:
    """Share of the true pairs that were found."""
    true = set(zip(truth.query.tolist(), truth.neighbour.tolist(), strict=True))
    return len(true & set(zip(found.query.tolist(), found.neighbour.tolist(), strict=True))) / len(true)


def assert_exact(found: Pairs, queries: np.ndarray, base: np.ndarray) -> None:
    """The similarities are the cosines of the pairs, and in order."""
    left, right = queries[found.query].astype(np.float64), base[found.neighbour].astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    np.testing.assert_array_equal(
        found.similarity, np.round((left * right).sum(axis=1) / lengths, 6).astype(np.float32)
    )
    order = np.lexsort((found.neighbour, -found.similarity, found.query))
    np.testing.assert_array_equal(order, np.arange(len(found)))


@pytest.mark.parametrize("kind", ["ivf_flat", "ivf_pq"])
@pytest.mark.parametrize("asked", [0.8, 0.98])
@pytest.mark.parametrize("parts", [1, 3])
def test_the_recall_asked_for_is_reached(kind: str, asked: float, parts: int) -> None:
    config = SearchConfig(index=kind, recall=asked, lists=64, pq_bytes=12, parts=parts)
    found = joined(search(Held(QUERIES), Held(BASE), K, config))
    assert recall(found, brute_force(QUERIES, BASE, K)) >= asked - 0.01
    assert_exact(found, QUERIES, BASE)


@pytest.mark.parametrize("kind", ["ivf_flat", "ivf_pq"])
def test_a_base_searched_for_itself_is_not_flattered_by_finding_itself(kind: str) -> None:
    vectors = Held(BASE[:2000])
    found = joined(search(vectors, vectors, K + 1, SearchConfig(index=kind, recall=0.95, lists=64, pq_bytes=12)))
    others, truth = found.query != found.neighbour, brute_force(BASE[:2000], BASE[:2000], K + 1)
    true = truth.query != truth.neighbour
    mine = Pairs(found.query[others], found.neighbour[others], found.similarity[others])
    theirs = Pairs(truth.query[true], truth.neighbour[true], truth.similarity[true])
    assert recall(mine, theirs) >= 0.94
    assert others.sum() == K * 2000


@pytest.mark.parametrize("count", [100, 255, 256, 400])
def test_codes_are_asked_for_of_a_small_base_too(count: int) -> None:
    found = joined(search(Held(QUERIES), Held(BASE[:count]), K, SearchConfig(index="ivf_pq", recall=0.95)))
    assert recall(found, brute_force(QUERIES, BASE[:count], K)) >= 0.94


def test_every_long_step_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    list(search(Held(QUERIES), Held(BASE), K, SearchConfig(index="ivf_flat", lists=64, parts=2), what="here"))
    said = capsys.readouterr().err
    assert "here: the lists are learnt from 3072 vectors" in said
    for part in (1, 2):
        for step in ("choose lists: 3000/3000 vectors", "fill lists: 3000/3000 vectors"):
            assert f"here, part {part} of 2, {step} in" in said
        assert f"here, part {part} of 2: 900/900 queries in" in said
    assert "here, measure recall: 3000/3000 vectors in" in said


def test_the_fewest_lists_are_looked_into(capsys: pytest.CaptureFixture[str]) -> None:
    def lists_for(asked: float) -> int:
        list(search(Held(QUERIES), Held(BASE), K, SearchConfig(index="ivf_flat", lists=64, recall=asked), what="here"))
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "lists looked into" in line]
        return int(line.split()[1])

    few, more = lists_for(0.7), lists_for(0.999)
    assert 1 <= few < more <= 64


@pytest.mark.parametrize("kind", ["ivf_flat", "ivf_pq"])
def test_only_pairs_above_the_threshold(kind: str) -> None:
    config = SearchConfig(index=kind, lists=64, pq_bytes=12, recall=0.999)
    found = joined(search(Held(QUERIES), Held(BASE), 64, config, 0.9))
    truth = brute_force(QUERIES, BASE, 64, 0.9)
    assert recall(found, truth) >= 0.98
    assert (found.similarity > np.float32(0.9)).all()
    assert np.bincount(found.query).max() <= 64


def test_all_lists_is_exact_search() -> None:
    config = SearchConfig(index="ivf_flat", lists=32, probes=32)
    assert_same(joined(search(Held(QUERIES), Held(BASE), 20, config)), brute_force(QUERIES, BASE, 20))


def test_codes_of_vectors_that_cannot_be_cut_evenly() -> None:
    queries, base = clustered(200, 50, 5), clustered(3000, 50, 6)
    config = SearchConfig(index="ivf_pq", lists=16, pq_bytes=16, recall=0.95)
    found = joined(search(Held(queries), Held(base), K, config))
    assert recall(found, brute_force(queries, base, K)) >= 0.93
    assert_exact(found, queries, base)


def test_more_candidates_compared_exactly_find_more() -> None:
    def found(rerank: int) -> Pairs:
        config = SearchConfig(index="ivf_pq", lists=16, probes=16, pq_bytes=3, rerank=rerank)
        return joined(search(Held(QUERIES[:200]), Held(BASE), K, config))

    truth = brute_force(QUERIES[:200], BASE, K)
    assert recall(found(4), truth) < recall(found(100), truth) < recall(found(1000), truth)


def test_an_index_over_fewer_vectors_than_k() -> None:
    config = SearchConfig(index="ivf_flat", lists=2, probes=2)
    assert_same(joined(search(Held(QUERIES), Held(BASE[:9]), 64, config)), brute_force(QUERIES, BASE[:9], 64))


def test_copies_that_lie_across_lists_are_found_too() -> None:
    random, base = np.random.default_rng(7), BASE[:4000].astype(np.float32)
    away = random.standard_normal((400, 48))
    copies = 0.75 * base[:400] + np.sqrt(1 - 0.75**2) * away / np.linalg.norm(away, axis=1, keepdims=True)
    both = np.concatenate([base, copies])[random.permutation(4400)].astype(np.float16)
    vectors, config = Held(both), SearchConfig(index="ivf_flat", lists=256, recall=0.95)
    found, truth = joined(search(vectors, vectors, K + 1, config, 0.7)), brute_force(both, both, K + 1, 0.7)
    assert recall(found, truth) >= 0.95
