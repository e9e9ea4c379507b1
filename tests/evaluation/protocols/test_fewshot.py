import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from dinov2.evaluation.protocols.examples import Examples
from dinov2.evaluation.protocols.fewshot import FewShot, FewShotConfig
from dinov2.evaluation.statistics import value_of
from tests.evaluation.protocols.clouds import clouds

CPU = torch.device("cpu")
TRAIN, TEST = clouds(120, 4, 16, seed=0), clouds(160, 4, 16, seed=1)


def units(inputs: np.ndarray) -> np.ndarray:
    return inputs / np.linalg.norm(inputs, axis=1, keepdims=True)


def test_centroid_of_all_images_is_scikit_learns_by_angle():
    config = FewShotConfig(head="centroid", shots=(30,), draws=1)
    found = FewShot(config, 0, CPU)(TRAIN, TEST, 4)
    centroids = NearestCentroid().fit(units(TRAIN.inputs_nd.astype(np.float64)), TRAIN.labels_n).centroids_
    expected = (units(TEST.inputs_nd) @ units(centroids).T).argmax(axis=1) == TEST.labels_n
    np.testing.assert_array_equal(found.statistics["accuracy_30"].values_n, expected)


def test_logistic_of_all_images_is_scikit_learns_on_centred_units_without_a_bias():
    config = FewShotConfig(shots=(30,), draws=1, c=50.0, tolerance=1e-7)
    found = FewShot(config, 0, CPU)(TRAIN, TEST, 4)
    model = LogisticRegression(C=50.0, tol=1e-7, max_iter=1000, fit_intercept=False)
    taught, asked = (units(part.inputs_nd - part.inputs_nd.mean(axis=1, keepdims=True)) for part in (TRAIN, TEST))
    expected = model.fit(taught.astype(np.float64), TRAIN.labels_n).predict(asked) == TEST.labels_n
    np.testing.assert_array_equal(found.statistics["accuracy_30"].values_n, expected)


def test_every_draw_has_its_own_images_and_more_shots_keep_those_of_fewer(monkeypatch):
    taught, labelled, answers = [], [], FewShot._answers

    def noted(self, examples, *rest):
        taught.append({tuple(row) for row in examples.inputs_nd.tolist()})
        labelled.append(examples.labels_n)
        return answers(self, examples, *rest)

    monkeypatch.setattr(FewShot, "_answers", noted)
    config = FewShotConfig(head="centroid", shots=(1, 2, 5), draws=3)
    found = FewShot(config, 0, CPU)(TRAIN, TEST, 4)
    assert [np.bincount(labels).tolist() for labels in labelled] == [[1] * 4] * 3 + [[2] * 4] * 3 + [[5] * 4] * 3
    one, two, five = taught[:3], taught[3:6], taught[6:]
    assert all(a < b < c for a, b, c in zip(one, two, five, strict=True))
    assert one[0] != one[1] != one[2]
    values = [value_of(each) for each in found.statistics.values()]
    assert values == sorted(values)
    assert found.details["deviation_1"] > 0


def test_the_value_is_the_mean_over_draws_and_the_deviation_theirs():
    runs = [FewShot(FewShotConfig(shots=(2,), draws=draws), 5, CPU)(TRAIN, TEST, 4) for draws in (1, 2)]
    first, both = (value_of(run.statistics["accuracy_2"]) for run in runs)
    second = 2 * both - first
    assert runs[1].details["deviation_2"] == pytest.approx(np.std([first, second], ddof=1))
    assert runs[0].details["deviation_2"] == 0.0
    assert set(runs[1].statistics["accuracy_2"].values_n) == {0.0, 0.5, 1.0}


def test_classes_of_fewer_images_teach_with_all_and_are_counted():
    lean = TRAIN.take(np.flatnonzero((TRAIN.labels_n != 2) | (np.cumsum(TRAIN.labels_n == 2) <= 3)))
    found = FewShot(FewShotConfig(head="centroid", shots=(3, 5)), 0, CPU)(lean, TEST, 4)
    assert (found.details["short_3"], found.details["short_5"]) == (0, 1)


def test_a_test_image_of_a_class_without_training_images_is_an_error():
    unseen = Examples(TEST.inputs_nd, np.full(len(TEST.labels_n), 4))
    assert value_of(FewShot(FewShotConfig(), 0, CPU)(TRAIN, unseen, 4).statistics["accuracy_1"]) == 0.0
