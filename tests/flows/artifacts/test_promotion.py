"""The page that a person approves a promotion by."""

from dinov2.evaluation.figure import Figure
from dinov2.registry.promotion.case import WAITING, Case
from dinov2.registry.promotion.comparison import Comparison, Contender
from dinov2.registry.promotion.config import PromotionConfig
from dinov2.settings import Settings
from flows.artifacts.promotion import page, promotion

NAMES = ("birds.knn.accuracy", "birds.linear.accuracy")
PAIR = {"champion": 0.6, "gain": 0.1, "low": 0.04, "high": 0.16, "p": 0.002}


def contender(version: str) -> Contender:
    digests = {"weights_sha256": "a" * 64, "manifest_sha256": "b" * 64}
    return Contender(model="dinov2-S", version=version, run=f"run-{version}", figures=NAMES, **digests)


def case(champion: Contender | None, *figures: Figure) -> Case:
    comparison = Comparison(candidate=contender("2"), champion=champion, figures=figures)
    return Case("0" * 32, WAITING, comparison, PromotionConfig())


def test_figures_verdict_and_links_are_there() -> None:
    found = [Figure(name=name, images=200, candidate=0.7, **PAIR) for name in NAMES]
    shown = promotion(case(contender("1"), *found), Settings(mlflow_url="http://mlflow:5000")).data
    assert "| birds.knn.accuracy | 70.0% | 60.0% | +10.0 points | +4.0 to +16.0 | 0.002 | 200 |" in shown
    assert "| candidate | 2 | run-2 | aaaaaaaaaaaaaaaa |" in shown
    assert shown.count("- **holds**: ") == 3
    assert "[models:/dinov2-S/1](http://mlflow:5000/#/models/dinov2-S/versions/1)" in shown
    assert f"(http://mlflow:5000/#/runs/{'0' * 32})" in shown


def test_a_figure_in_metres_is_told_in_metres() -> None:
    pair = {"champion": 0.4, "gain": 0.05, "low": 0.01, "high": 0.09, "verdict": "better"}
    shown = page(case(contender("1"), Figure(name="rooms.depth.rmse", images=200, candidate=0.35, **pair)))
    assert "| rooms.depth.rmse | 0.350 m | 0.400 m | +0.050 m | +0.010 to +0.090 | better | 200 |" in shown
    assert "%" not in shown.split("## Rules")[0].replace("95% interval", "")


def test_a_broken_rule_and_a_missing_figure_stand_out() -> None:
    whole, part = (Figure(name=name, images=200, candidate=0.7, **PAIR) for name in NAMES)
    shown = page(case(contender("1"), whole, part.model_copy(update={"gain": None})))
    assert "| birds.linear.accuracy | 70.0% | 60.0% | missing |" in shown
    broken = [line for line in shown.splitlines() if line.startswith("- **BROKEN**: ")]
    assert any("birds.linear.accuracy" in line for line in broken)


def test_without_a_champion_the_page_says_so() -> None:
    alone = case(None, *(Figure(name=name, images=200, candidate=0.7) for name in NAMES))
    artifact = promotion(alone, Settings())
    assert "| champion | none yet |" in artifact.data
    assert "| birds.knn.accuracy | 70.0% | 200 |" in artifact.data
    assert artifact.key == "promote-dinov2-s"
