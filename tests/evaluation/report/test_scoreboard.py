import pytest

from dinov2.evaluation.report.scoreboard import Score, scoreboards, verdict


def score(value: float, **details: float) -> dict[str, float]:
    return {"accuracy": value, "low": value - 0.05, "high": value + 0.05, **details}


def metrics(value: float) -> dict:
    found = {"model": score(value, k20=value), "random": score(0.2), "pixels": score(0.3)}
    facts = {"classes": 3, "train": 9, "test": 6, "chance": 0.25, "protocols": {"knn": found, "novel": found}}
    return {"datasets": {"pets": facts}}


def test_models_stand_side_by_side_in_the_order_given():
    (pets,) = scoreboards({"highres": metrics(0.9), "B": metrics(0.31)})
    assert (pets.name, pets.chance, pets.facts["classes"]) == ("pets", 25, 3)
    knn, novel = pets.boards
    assert (knn.title, novel.title) == ("Nearest neighbours, k = 20", "novel")
    assert [entry.model for entry in knn.entries] == ["highres", "B"]
    assert knn.entries[0].score.value == 90
    assert knn.entries[0].details == {"k20": 0.9}
    assert [entry.verdict for entry in knn.entries] == ["above its controls", "not clearly above its controls"]
    assert knn.pixels.value == 30


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (Score(50, 45, 55), "above its controls"),
        (Score(42, 37, 47), "not clearly above its controls"),
        (Score(20, 15, 25), "below a control"),
    ],
)
def test_the_verdict_is_against_the_best_control(score, expected):
    assert verdict(score, (Score(10, 5, 15), Score(35, 30, 40))) == expected


def test_no_sets_no_boards():
    assert scoreboards({"S": {"datasets": {}}}) == []
