import numpy as np
import pytest
from pydantic import ValidationError

from dinov2.evaluation.metrics.corruption import ALEXNET
from dinov2.evaluation.protocols.robustness import RobustnessConfig, corrupted, shifted
from dinov2.evaluation.statistics import value_of


def right(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(count) < 0.6


def test_each_other_set_has_its_own_accuracy():
    tests = {"sketch": right(30, 0), "imagenet-r": right(50, 1)}
    found = shifted(tests)
    assert {name: (each.count, value_of(each)) for name, each in found.items()} == {
        "accuracy_sketch": (30, pytest.approx(tests["sketch"].mean())),
        "accuracy_imagenet-r": (50, pytest.approx(tests["imagenet-r"].mean())),
    }


def test_severities_of_a_corruption_are_averaged_over_the_same_images():
    tests = {f"fog/{severity}": right(40, severity) for severity in (1, 3)}
    found = shifted(tests)
    assert list(found) == ["accuracy_fog"]
    assert found["accuracy_fog"].count == 40
    assert value_of(found["accuracy_fog"]) == pytest.approx(np.mean([each.mean() for each in tests.values()]))


def test_severities_of_different_images_stay_apart():
    assert list(shifted({"fog/1": right(40, 1), "fog/2": right(30, 2)})) == ["accuracy_fog/1", "accuracy_fog/2"]


def test_mce_is_given_where_all_of_imagenet_c_is_there():
    tests = {f"{name}/{severity}": right(40, severity) for name in ALEXNET for severity in range(1, 6)}
    found = shifted(tests)
    assert next(iter(found)) == "mce"
    errors = {name: np.mean([(~tests[f"{name}/{severity}"]).mean() for severity in range(1, 6)]) for name in ALEXNET}
    assert value_of(found["mce"]) == pytest.approx(np.mean([errors[name] / ALEXNET[name] for name in ALEXNET]))
    assert "mce" not in shifted({name: each for name, each in tests.items() if not name.startswith("snow")})


def test_the_headline_of_built_in_corruptions_is_the_mean_over_all():
    tests = {f"{name}/{severity}": right(40, severity) for name in ("contrast", "pixelate") for severity in (1, 5)}
    found = corrupted(tests)
    assert list(found) == ["accuracy", "accuracy_contrast", "accuracy_pixelate"]
    assert value_of(found["accuracy"]) == pytest.approx(np.mean([each.mean() for each in tests.values()]))


def test_an_unknown_corruption_is_refused():
    with pytest.raises(ValidationError, match="no corruption snow; allowed: gaussian_noise"):
        RobustnessConfig(corruptions=("snow",))
