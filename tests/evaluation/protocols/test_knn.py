import numpy as np
import pytest
import torch
from pydantic import ValidationError

from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.knn import Knn, KnnConfig, predict
from dinov2.evaluation.statistics import value_of

CPU = torch.device("cpu")


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


def test_a_bank_on_disk_in_blocks_and_votes_in_parts_give_what_all_at_once_gives(monkeypatch, tmp_path):
    bank, labels = clustered(500, 7, 24, seed=1)
    bank.tofile(tmp_path / "bank.f32")
    mapped = np.memmap(tmp_path / "bank.f32", np.float32, "r+", shape=bank.shape)
    queries, ks = torch.from_numpy(clustered(80, 7, 24, seed=2)[0]), (10, 20, 100, 200)
    whole = predict(torch.from_numpy(bank), torch.from_numpy(labels), queries, 7, ks)
    monkeypatch.setattr("dinov2.evaluation.nearest.BANK_AT_ONCE", 60)
    monkeypatch.setattr("dinov2.evaluation.nearest.SIMILARITIES_AT_ONCE", 700)
    monkeypatch.setattr("dinov2.evaluation.protocols.knn.VOTES_AT_ONCE", 100)
    parts = predict(torch.from_numpy(mapped), torch.from_numpy(labels), queries, 7, ks)
    for k in ks:
        np.testing.assert_array_equal(parts[k], whole[k])


def test_of_equal_votes_the_lower_class_wins():
    bank = torch.eye(4)
    predicted = predict(bank, torch.tensor([3, 2, 1, 1]), torch.tensor([[1.0, 1.0, 0.0, 0.0]]), 4, (2,))
    assert predicted[2].tolist() == [2]


def test_k_beyond_the_bank_takes_all_of_it_and_says_so():
    bank, labels = clustered(30, 3, 8, seed=1)
    queries, answers = clustered(40, 3, 8, seed=2)
    answer = Knn(KnnConfig(), CPU)(Examples(bank, labels), Examples(queries, answers), 3)
    assert answer.details["clipped"] == 2
    everyone = (by_hand(bank, labels, queries, 3, 30) == answers).mean()
    assert answer.details["k100"] == answer.details["k200"] == pytest.approx(everyone)
    assert value_of(answer.statistics["accuracy"]) == answer.details["k20"]


def test_accuracy_over_classes_weighs_them_alike():
    bank, labels = clustered(300, 3, 8, seed=1)
    queries, answers = clustered(90, 3, 8, seed=2)
    kept = (answers > 0) | (np.arange(90) < 15)
    queries, answers = queries[kept], answers[kept]
    found = Knn(KnnConfig(), CPU)(Examples(bank, labels), Examples(queries, answers), 3).statistics["class_accuracy"]
    right = by_hand(bank, labels, queries, 3, 20) == answers
    assert value_of(found) == pytest.approx(np.mean([right[answers == label].mean() for label in range(3)]))


def test_the_headline_k_cannot_be_left_out():
    with pytest.raises(ValidationError, match="must contain 20"):
        KnnConfig(neighbours=(5, 10))
