import numpy as np
import pytest
import torch

from dinov2.errors import DataError
from dinov2.evaluation.nearest import nearest, nearest_in


def corners(count: int, seed: int) -> torch.Tensor:
    """Vectors of ±1, 16 of them: their cosines are eighths, exact in any order of summation, and mostly ties."""
    return torch.from_numpy(np.random.default_rng(seed).choice([-1.0, 1.0], size=(count, 16)).astype(np.float32))


def sorted_by_hand(bank: torch.Tensor, queries: torch.Tensor, k: int) -> list[list[int]]:
    cosines = (queries.double() @ bank.double().T / 16).tolist()
    return [sorted(range(len(bank)), key=lambda index: (-row[index], index))[:k] for row in cosines]


def test_among_equal_similarities_the_lower_index_is_nearer():
    similarity = torch.tensor([[0.5, 1.0, 0.5, 0.5, 1.0, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
    value, index = nearest(similarity, 3)
    assert index.tolist() == [[1, 4, 0], [5, 4, 3]]
    assert value.tolist()[0] == [1.0, 1.0, 0.5]


def test_many_equals_at_the_edge_are_taken_in_order():
    _, index = nearest(torch.full((3, 5000), 0.25), 200)
    assert index.tolist() == [list(range(200))] * 3


@pytest.mark.parametrize("block", [1, 7, 50, 299, 1000])
@pytest.mark.parametrize("k", [1, 10, 60, 300])
def test_blocks_give_what_sorting_all_of_it_gives_with_ties_too(block, k, monkeypatch):
    bank, queries = corners(300, seed=0), corners(40, seed=1)
    monkeypatch.setattr("dinov2.evaluation.nearest.BANK_AT_ONCE", block)
    monkeypatch.setattr("dinov2.evaluation.nearest.SIMILARITIES_AT_ONCE", 500)
    value, index = nearest_in(bank, queries, k)
    assert index.tolist() == sorted_by_hand(bank, queries, k)
    np.testing.assert_array_equal(value, (queries @ bank.T / 16).gather(1, index))


def test_blocks_of_any_features_are_sorted_as_float64_sorts_them(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    bank, queries = (torch.randn(count, 24, generator=generator) for count in (500, 30))
    monkeypatch.setattr("dinov2.evaluation.nearest.BANK_AT_ONCE", 40)
    cosines = torch.nn.functional.normalize(queries.double()) @ torch.nn.functional.normalize(bank.double()).T
    expected = cosines.sort(dim=1, descending=True)
    value, index = nearest_in(bank, queries, 50)
    assert torch.equal(index, expected.indices[:, :50])
    torch.testing.assert_close(value.double(), expected.values[:, :50], rtol=0, atol=1e-6)


def test_equal_vectors_of_different_blocks_stay_in_order(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    few, queries = torch.randn(43, 100, generator=generator), torch.randn(40, 100, generator=generator)
    bank = few.repeat(94, 1)[:4001]  # one more than two blocks hold
    monkeypatch.setattr("dinov2.evaluation.nearest.BANK_AT_ONCE", 2000)
    _, index = nearest_in(bank, queries, 300)
    same = index[:, 1:] % 43 == index[:, :-1] % 43
    assert same.sum() > 40 * 290
    assert (index.diff(dim=1) == 43)[same].all()


def test_a_bank_that_comes_ever_nearer_is_searched_rightly(monkeypatch):
    query = torch.zeros(1, 8)
    query[0, 0] = 1.0
    bank = corners(400, seed=0)[:, :8]
    bank[:, 0] = torch.linspace(-9, 9, 400)
    order = torch.argsort(bank[:, 0] / bank.norm(dim=1))
    monkeypatch.setattr("dinov2.evaluation.nearest.BANK_AT_ONCE", 64)
    _, index = nearest_in(bank[order], query, 10)
    assert index.tolist() == [list(range(399, 389, -1))]


def test_half_precision_and_vectors_of_zeros_are_taken():
    bank = torch.cat([torch.zeros(1, 16), corners(5, seed=0)]).half()
    value, index = nearest_in(bank, bank[1:2].float(), 6)
    assert index[0, 0] == 1
    assert value[0, index[0].tolist().index(0)] == 0.0


@pytest.mark.parametrize("broken", ["bank", "queries"])
def test_features_that_are_not_finite_are_told(broken):
    given = {"bank": corners(20, 0), "queries": corners(3, 1)}
    given[broken][2, 3] = float("nan")
    with pytest.raises(DataError, match=f"{broken}: some features are not finite"):
        nearest_in(given["bank"], given["queries"], 2)
