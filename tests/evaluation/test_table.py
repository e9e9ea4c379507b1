from dinov2.evaluation.results import Row
from dinov2.evaluation.statistics import Interval
from dinov2.evaluation.table import NOTE, table, times


def test_a_row_has_all_that_is_known_of_it_in_columns():
    rows = [
        Row("imagenet", "knn", "accuracy", 0.791, 0.785, 0.797, 50_000, True, {"random": Interval(0.1, 0.09, 0.11)},
            0.79, "better", {"k20": 0.791}),
        Row("nyu", "depth", "rmse", 0.3456, 0.33, 0.36, 654, False),
    ]  # fmt: skip
    header, first, second, note = table(rows)
    assert header.split() == ["dataset", "protocol", "metric", "value", "random", "published", "verdict", "images"]
    assert first.split() == [
        "imagenet", "knn", "accuracy", "79.1", "[78.5–79.7]", "10.0", "[9.0–11.0]", "79.0", "better", "50000"
    ]  # fmt: skip
    assert second.split() == ["nyu", "depth", "rmse", "0.346", "[0.330–0.360]", "654"]
    assert first.index("79.0") == header.index("published")
    assert note == NOTE


def test_times_name_who_they_are_of():
    assert list(times("camvid", {"model": {"features": 12.34, "knn": 0.1}})) == [
        "camvid, model: features 12.3 s, knn 0.1 s"
    ]
