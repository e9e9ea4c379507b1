import numpy as np
import pytest
import torch
from pydantic import ValidationError

from dinov2.evaluation.config import KnnConfig
from dinov2.evaluation.encoder import ImageFeatures
from dinov2.evaluation.knn import Knn, nearest, predict
from dinov2.evaluation.protocol import Labelled

CPU = torch.device("cpu")
NO_PATCH = np.zeros((0, 0), np.float32)


def clustered(count: int, classes: int, width: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clusters: hard enough that different k disagree."""
    centres = np.random.default_rng(0).normal(size=(classes, width))
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    return (centres[labels] + 3 * generator.normal(size=(count, width))).astype(np.float32), labels


def by_hand(bank, labels, queries, classes, k):
    """Sums and sorting in float64, one query at a time."""
    bank, queries = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in map(np.float64, (bank, queries)))
    predicted = []
    for query in queries:
        similarity = bank @ query
        chosen = sorted(range(len(bank)), key=lambda index: (-similarity[index], index))[:k]
        votes = [sum(np.exp(similarity[i] / 0.07) for i in chosen if labels[i] == label) for label in range(classes)]
        predicted.append(int(np.argmax(votes)))
    return np.array(predicted)


def test_equals_brute_force_in_float64_for_every_k():
    bank, labels = clustered(300, 7, 24, seed=1)
    queries, _ = clustered(80, 7, 24, seed=2)
    found = predict(torch.from_numpy(bank), torch.from_numpy(labels), torch.from_numpy(queries), 7, (10, 20, 100, 200))
    assert len({tuple(predicted) for predicted in found.values()}) > 1
    for k, predicted in found.items():
        np.testing.assert_array_equal(predicted, by_hand(bank, labels, queries, 7, k))


def test_parts_of_the_queries_give_what_all_of_them_give(monkeypatch):
    bank, labels = clustered(100, 3, 8, seed=1)
    arguments = (
        torch.from_numpy(bank),
        torch.from_numpy(labels),
        torch.from_numpy(clustered(50, 3, 8, 2)[0]),
        3,
        (20,),
    )
    whole = predict(*arguments)
    monkeypatch.setattr("dinov2.evaluation.knn.SIMILARITIES_AT_ONCE", 700)
    np.testing.assert_array_equal(predict(*arguments)[20], whole[20])


def test_among_equal_similarities_the_lower_index_is_nearer():
    similarity = torch.tensor([[0.5, 1.0, 0.5, 0.5, 1.0, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]])
    value, index = nearest(similarity, 3)
    assert index.tolist() == [[1, 4, 0], [5, 4, 3]]
    assert value.tolist()[0] == [1.0, 1.0, 0.5]


def test_many_equals_at_the_edge_are_taken_in_order():
    _, index = nearest(torch.full((3, 5000), 0.25), 200)
    assert index.tolist() == [list(range(200))] * 3


def test_of_equal_votes_the_lower_class_wins():
    bank = torch.eye(4)
    predicted = predict(bank, torch.tensor([3, 2, 1, 1]), torch.tensor([[1.0, 1.0, 0.0, 0.0]]), 4, (2,))
    assert predicted[2].tolist() == [2]


def test_k_beyond_the_bank_takes_all_of_it_and_says_so():
    bank, labels = clustered(30, 3, 8, seed=1)
    queries, answers = clustered(40, 3, 8, seed=2)
    train = Labelled(ImageFeatures(bank, NO_PATCH), labels, 3)
    outcome = Knn(KnnConfig(), CPU)(train, Labelled(ImageFeatures(queries, NO_PATCH), answers, 3))
    assert outcome.details["clipped"] == 2
    everyone = (by_hand(bank, labels, queries, 3, 30) == answers).mean()
    assert outcome.details["k100"] == outcome.details["k200"] == pytest.approx(everyone)
    assert outcome.correct.mean() == outcome.details["k20"]


def test_the_headline_k_cannot_be_left_out():
    with pytest.raises(ValidationError, match="must contain 20"):
        KnnConfig(neighbours=(5, 10))
