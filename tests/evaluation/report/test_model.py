from dataclasses import replace

import pytest

from dinov2.errors import DataError
from dinov2.evaluation.report.bars import bars


def test_the_first_metric_of_a_protocol_on_a_set_is_its_headline(report):
    found = [(row.dataset, row.protocol, row.metric) for row in report.headlines()]
    assert found == [
        ("flowers", "knn", "accuracy"), ("flowers", "linear", "accuracy"), ("a|kitchen", "lin.1", "rmse"),
    ]  # fmt: skip
    assert report.controls() == ["random", "pixels"]


def test_two_rows_of_one_metric_are_refused(report):
    with pytest.raises(DataError, match="report of S: two rows of flowers, knn, accuracy"):
        replace(report, rows=[*report.rows, report.rows[0]])


def test_bars_of_shares_go_up_to_one_and_of_metres_up_to_the_longest(report):
    model, random, pixels, published = bars(report.rows[0])
    assert (model.label, model.text, model.length, model.control) == ("model", "90.0%", 90, False)
    assert model.low < 90 < model.low + model.width
    assert (random.length, random.control) == (70, True)
    assert pixels.text == "50.0%"
    assert (published.label, published.length, published.width, published.control) == ("published", 79, 0, True)
    metres = bars(report.rows[3])
    assert [each.text for each in metres] == ["0.500 m", "0.900 m", "0.344 m"]
    assert max(each.low + each.width for each in metres) == pytest.approx(100)
