"""What the rules say: gains, losses, and that nothing passes that is not seen."""

from math import nan
from pathlib import Path

import pytest

from dinov2.errors import ConfigError
from dinov2.evaluation.figure import Figure
from dinov2.registry.promotion.comparison import Comparison, Contender
from dinov2.registry.promotion.config import PromotionConfig, load_rules
from dinov2.registry.promotion.verdict import broken, verdict

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("birds.knn.accuracy", "birds.linear.accuracy", "cars.knn.accuracy")
RULES = PromotionConfig(metric="*.knn.accuracy", minimum_gain=0.01, tolerance=0.02)


def figure(name: str, gain: float = 0.02, reach: float = 0.01, **changes: object) -> Figure:
    interval = {"gain": gain, "low": gain - reach, "high": gain + reach, "p": 0.01}
    scores = {"champion": 0.5, "candidate": 0.5 + gain}
    return Figure.model_validate({"name": name, "images": 100, **scores, **interval, **changes})


def contender(version: str, names: tuple[str, ...] = NAMES) -> Contender:
    return Contender(model="dinov2-S", version=version, weights_sha256="w", manifest_sha256="m", figures=names)


def comparison(*figures: Figure, old: tuple[str, ...] = NAMES, new: tuple[str, ...] = NAMES) -> Comparison:
    return Comparison(candidate=contender("2", new), champion=contender("1", old), figures=figures)


def reasons(*figures: Figure, rules: PromotionConfig = RULES, **names: tuple[str, ...]) -> str:
    return "\n".join(broken(verdict(rules, comparison(*figures, **names))))


def test_a_candidate_that_gains_and_loses_nothing_holds_to_every_rule() -> None:
    found = verdict(RULES, comparison(*map(figure, NAMES)))
    assert [finding.holds for finding in found] == [True, True, True]
    assert found[1].says == "*.knn.accuracy: +2.0 points (+1.3 to +2.7)"


def test_the_metric_is_the_mean_over_sets_and_must_gain_what_is_asked() -> None:
    linear = figure(NAMES[1], -0.01)
    assert reasons(figure(NAMES[0], 0.03), linear, figure(NAMES[2], -0.01)) == ""
    assert "*.knn.accuracy: +0.5 points" in reasons(figure(NAMES[0], 0.02), linear, figure(NAMES[2], -0.01))
    named = RULES.model_copy(update={"metric": "cars.knn.accuracy"})
    assert "cars.knn.accuracy: −1.0 points" in reasons(*map(figure, NAMES[:2]), figure(NAMES[2], -0.01), rules=named)


def test_exactly_the_minimum_and_exactly_the_tolerance_hold() -> None:
    assert reasons(figure(NAMES[0], 0.03), figure(NAMES[1], -0.02), figure(NAMES[2], -0.01)) == ""


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_on_any_figure_beyond_the_tolerance_is_named(name: str) -> None:
    found = [figure(each, -0.03 if each == name else 0.2) for each in NAMES]
    assert f"{name}: −3.0 points" in reasons(*found)


def test_judged_by_interval_a_gain_or_a_loss_that_is_not_sure_is_refused() -> None:
    sure = RULES.model_copy(update={"judged_by": "interval", "tolerance": 0.0})
    assert reasons(*(figure(name, 0.05, 0.01) for name in NAMES), rules=sure) == ""
    assert "*.knn.accuracy" in reasons(*(figure(name, 0.05, 0.2) for name in NAMES), rules=sure)
    unsure = [figure(name, 0.05, 0.08 if name == NAMES[1] else 0.01) for name in NAMES]
    assert reasons(*unsure, rules=sure).startswith(NAMES[1])


@pytest.mark.parametrize("fault", ["candidate", "champion", "gain", "low", "high"])
def test_a_figure_that_is_no_number_breaks_the_rules(fault: str) -> None:
    faulty = figure(NAMES[0]).model_copy(update={fault: nan})
    assert f"{NAMES[0]} is no number" in reasons(faulty, *map(figure, NAMES[1:]))
    if fault != "candidate":
        missing = figure(NAMES[0]).model_copy(update={fault: None})
        assert f"{NAMES[0]} is no number" in reasons(missing, *map(figure, NAMES[1:]))


def test_a_figure_that_either_version_was_registered_with_must_be_there() -> None:
    more = (*NAMES, "planes.knn.accuracy")
    for who in ("old", "new"):
        assert "planes.knn.accuracy is missing" in reasons(*map(figure, NAMES), **{who: more})
    assert "cars.knn.accuracy is missing" in reasons(*map(figure, NAMES[:2]))
    assert "version 1 was registered without figures" in reasons(*map(figure, NAMES), old=())


def test_without_the_metric_nothing_passes() -> None:
    named = RULES.model_copy(update={"metric": "planes.knn.accuracy"})
    assert "no figure is planes.knn.accuracy" in reasons(*map(figure, NAMES), rules=named)
    assert "no figure is *.knn.accuracy" in reasons(old=(), new=())


def test_without_a_champion_figures_must_still_be_whole() -> None:
    bare = [Figure(name=name, images=10, candidate=0.5) for name in NAMES]
    alone = Comparison(candidate=contender("1"), champion=None, figures=tuple(bare))
    assert broken(verdict(RULES, alone)) == []
    for figures in (bare[:2], [*bare[:2], bare[2].model_copy(update={"candidate": nan})]):
        assert broken(verdict(RULES, alone.model_copy(update={"figures": tuple(figures)})))


def test_the_rules_of_this_repository_are_rules() -> None:
    assert load_rules(ROOT).measures("labelled.knn.accuracy")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("quality: {}", "rules.yaml: promotion: missing"),
        ("promotion: {metric: birds.knn}", "promotion: metric: 'birds.knn'"),
        ("promotion: {gain: 1}", "gain: no such parameter"),
        ("promotion: {tolerance: -0.1}", "tolerance: -0.1"),
        ("promotion: {minimum_gain: .nan}", "minimum_gain"),
    ],
)
def test_a_rule_that_is_none_is_refused(tmp_path: Path, content: str, fault: str) -> None:
    (tmp_path / "rules.yaml").write_text(content)
    with pytest.raises(ConfigError, match=fault):
        load_rules(tmp_path)


def metres(gain: float, verdict: str | None, **changes: object) -> Figure:
    return figure("rooms.depth.rmse", gain, p=None, verdict=verdict, **changes)


def test_what_is_no_accuracy_must_not_be_worse_however_little_it_is() -> None:
    rooms = (*NAMES, "rooms.depth.rmse")
    accuracies = [figure(name) for name in NAMES]
    cases = {metres(0.3, "better"): True, metres(-0.3, "cannot tell"): True, metres(-0.001, "worse"): False}
    for found, holds in cases.items():
        said = reasons(*accuracies, found, old=rooms, new=rooms)
        assert ("rooms.depth.rmse: −0.001 m (−0.011 to +0.009)" in said) is not holds
        assert (said == "") is holds
    assert "rooms.depth.rmse is missing" in reasons(*accuracies, new=rooms)
    assert "rooms.depth.rmse: the gain is missing" in reasons(*accuracies, metres(0.1, None), old=rooms, new=rooms)


def test_any_metric_may_be_the_one_that_must_gain_in_its_own_unit() -> None:
    rules = RULES.model_copy(update={"metric": "rooms.depth.rmse", "minimum_gain": 0.05})
    assert reasons(metres(0.06, "better"), rules=rules, old=(), new=("rooms.depth.rmse",)).count("without figures") == 1
    names = ("rooms.depth.rmse",)
    assert reasons(metres(0.06, "better"), rules=rules, old=names, new=names) == ""
    assert reasons(metres(0.04, "better"), rules=rules, old=names, new=names) == (
        "rooms.depth.rmse: +0.040 m (+0.030 to +0.050)"
    )


def test_the_mean_over_sets_that_was_measured_does_not_count_twice() -> None:
    assert not RULES.measures("mean.knn.accuracy")
    assert RULES.model_copy(update={"metric": "mean.knn.accuracy"}).measures("mean.knn.accuracy")
