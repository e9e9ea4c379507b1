import csv
import json
import re
from dataclasses import replace

import pytest

from dinov2.evaluation.report import ModelReport, html, logged, markdown, numbers, plot
from dinov2.evaluation.statistics import Difference
from dinov2.evaluation.versus import Versus


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("<body>")[2]))


def test_the_page_has_every_figure(report):
    text = text_of(html(report))
    for expected in (
        "architecture vit_small", "flowers Nearest neighbours, k = 20 accuracy 90.0%", "70.0% 50.0% 79.0%",
        "▲ better", "▼ worse", "a|kitchen lin.1 RMSE 0.500 m",
        "less is better", "3 classes, 20 test images", "All metrics", "class accuracy", "k: 20",
        "hats: has one class only", "What it sees", "5 of 6 right.", "cat &amp; dog", "features: S",
    ):  # fmt: skip
        assert expected in text, expected


def test_the_page_needs_nothing_else_and_pictures_are_told(report):
    page = html(report)
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert not re.search(r"https?://|@import|url\(|<script", page)
    assert re.findall(r"<img(?![^>]*\balt=\"[^\"]{10,})", page) == []
    assert page.count("data:image/webp;base64,") == 2
    assert 'name="viewport"' in page
    assert "<b>in colour" not in page
    assert html(report) == page


def test_on_a_phone_every_cell_says_what_it_is(report):
    cells = re.findall(r'<td role="cell"([^>]*)>', html(report))
    assert len(cells) == 3 * 9 + 4 * 8
    assert all("data-label=" in cell for cell in cells)


def test_of_many_rows_the_further_ones_are_folded_away(report):
    (picture,) = report.pictures
    rows = {f"head {number}": picture.rows["photographs"] for number in range(8)}
    page = html(replace(report, pictures=[replace(picture, rows=rows)]))
    before, _, after = page.partition("<summary>2 more</summary>")
    assert before.count("<figure>") == 6
    assert after.count("<figure>") == 2
    assert page.count("<details>") == page.count("</details>") == 3
    assert page.count("<div") == page.count("</div>")


def test_another_model_stands_in_the_same_rows_with_the_difference_and_its_verdict(report):
    found = [
        Versus("flowers", "knn", "accuracy", 0.9, 0.85, Difference(0.05, 0.01, 0.09, "better")),
        Versus("a|kitchen", "lin.1", "rmse", 0.5, 0.45, Difference(0.05, -0.01, 0.11, "cannot tell")),
    ]
    both = replace(report, other="timm:x|y", versus=found)
    text = text_of(html(both))
    assert "79.0% ▲ better 85.0% +5.0 points (+1.0 to +9.0) ▲ better" in text
    assert "0.450 m +0.050 m (−0.010 to +0.110) ◆ cannot tell" in text
    assert "Other is timm:x|y; the difference" in text
    lines = markdown(both).splitlines()
    first = lines.index(
        "| Set | Protocol | Metric | Value | random | pixels | Published | Verdict | other | Difference |"
    )
    assert lines[first + 1] == "|" + 10 * "---|"
    assert lines[first + 2].endswith("| 79.0% | ▲ better | 85.0% | +5.0 points (+1.0 to +9.0) ▲ better |")
    assert lines[first + 3].endswith("| – | – |")  # which the other was not judged by
    assert lines[first + 5] == ""


def test_numbers_that_checksums_go_by_do_not_hang_on_the_last_bits(report):
    shaken = [replace(row, value=row.value + 1e-12, low=row.low - 1e-12) for row in report.rows]
    other = replace(report, rows=shaken)
    assert (plot(other), numbers(other)) == (plot(report), numbers(report))


def test_without_results_the_page_says_so():
    empty = ModelReport("S", {}, [])
    assert "There was nothing to evaluate on" in html(empty)
    assert "There was nothing to evaluate on" in markdown(empty)
    assert numbers(empty) == {}
    assert plot(empty) == "name,value,low,high,published\n"


def test_markdown_has_whole_tables(report):
    lines = markdown(report, "pictures").splitlines()
    first = lines.index("| Set | Protocol | Metric | Value | random | pixels | Published | Verdict |")
    assert lines[first + 1] == "|---|---|---|---|---|---|---|---|"
    expected = "| flowers | Nearest neighbours, k = 20 | accuracy | 90.0% ("
    assert lines[first + 2].startswith(expected)
    assert lines[first + 2].endswith("| 70.0% | 50.0% | 79.0% | ▲ better |")
    assert lines[first + 4].startswith(r"| a\|kitchen | lin.1 | RMSE | 0.500 m (")
    assert lines[first + 5] == ""
    cells = [len(re.split(r"(?<!\\)\|", line)) for line in lines if line.startswith("| flowers") and "%" in line]
    assert set(cells) == {10}
    assert "![Photographs, and colours](pictures/pca.png)" in lines
    assert not any("![" in line for line in markdown(report).splitlines())


def test_numbers_are_numbers_by_name(report):
    found = json.loads(json.dumps(numbers(report)))
    accuracy = found["flowers"]["knn"]["accuracy"]
    assert {name: accuracy[name] for name in ("value", "random", "pixels", "published")} == {
        "value": 0.9, "random": 0.7, "pixels": 0.5, "published": 0.79,
    }  # fmt: skip
    assert accuracy["low"] < 0.9 < accuracy["high"]
    assert set(found["flowers"]["linear"]["accuracy"]) == {"value", "low", "high", "random", "pixels"}
    assert set(found["a|kitchen"]["lin.1"]["rmse"]) == {"value", "low", "high", "random", "published"}


def test_mlflow_takes_the_same_numbers_by_name(report):
    from mlflow.utils.validation import _validate_metric

    rows = [*report.rows, replace(report.rows[0], protocol="segmentation+ms")]
    found = logged(replace(report, rows=rows))
    assert found["flowers.knn.accuracy.value"] == found["flowers.segmentation_ms.accuracy.value"] == 0.9
    assert found["a_kitchen.lin.1.rmse.random"] == 0.9
    for name, value in found.items():
        _validate_metric(name, value, 0, 0)


def test_the_plot_has_a_line_for_each_headline(report):
    lines = list(csv.DictReader(plot(report).splitlines()))
    assert [line["name"] for line in lines] == [
        "flowers knn accuracy", "flowers linear accuracy", "a|kitchen lin.1 rmse",
    ]  # fmt: skip
    assert (float(lines[0]["value"]), lines[0]["random"], lines[0]["published"]) == (0.9, "0.7", "0.79")
    assert (lines[2]["pixels"], lines[1]["published"]) == ("", "")
    assert float(lines[0]["low"]) < 0.9 < float(lines[0]["high"])


@pytest.mark.parametrize("folder", [None, "."])
def test_equal_results_are_written_alike(report, folder):
    assert markdown(report, folder) == markdown(replace(report), folder)
