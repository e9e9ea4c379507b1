"""A model's results in the forms that people and programs read."""

import csv
import io
import re
from typing import Any

from dinov2.evaluation import printed
from dinov2.evaluation.pictures.thumbnails import image_uri
from dinov2.evaluation.report import wording
from dinov2.evaluation.report.bars import bars
from dinov2.evaluation.report.model import ModelReport
from dinov2.evaluation.report.templates import template
from dinov2.evaluation.results import Row
from dinov2.evaluation.statistics.paired import FEWEST

COLUMNS = ("name", "value", "low", "high")
PLACES = 6
"""Of a number that a program reads: what a checksum of a file goes by must not hang on the last bits."""


def html(report: ModelReport) -> str:
    """A page that holds everything it shows: equal results give equal bytes."""
    return template("model.html.jinja").render(
        report=report, wording=wording, printed=printed, bars=bars, uri=image_uri, fewest=FEWEST
    )


def markdown(report: ModelReport, folder: str | None = None) -> str:
    """Tables for the model card.

    Args:
        report: what to write.
        folder: where the pictures lie, seen from the card, as `NAME.png`; None leaves them out.
    """
    return template("model.md.jinja").render(
        report=report, wording=wording, printed=printed, folder=folder, fewest=FEWEST
    )


def numbers(report: ModelReport) -> dict[str, Any]:
    """Numbers alone, by set, protocol and metric, which `dvc metrics diff` joins with dots.

    Of each metric `value`, `low`, `high`, each control by its name, and `published` where there is a figure.
    """
    return {
        name: {protocol: {row.metric: _numbers(row) for row in rows} for protocol, rows in by_protocol.items()}
        for name, by_protocol in report.grouped().items()
    }


def logged(report: ModelReport) -> dict[str, float]:
    """The same for MLflow, as SET.PROTOCOL.METRIC.value; what its names may not hold becomes `_`."""
    return {
        re.sub(r"[^\w.\-/: ]", "_", f"{row.dataset}.{row.protocol}.{row.metric}.{name}"): number
        for row in report.rows
        for name, number in _numbers(row).items()
    }


def plot(report: ModelReport) -> str:
    """CSV for `dvc plots` with a line for each headline: name, value, low, high, and a column for each control."""
    columns = (*COLUMNS, *report.controls(), "published")
    with io.StringIO(newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in report.headlines():
            own = _numbers(row) | {"name": f"{row.dataset} {row.protocol} {row.metric}"}
            writer.writerow(own.get(each, "") for each in columns)
        return file.getvalue()


def _numbers(row: Row) -> dict[str, float]:
    own = {"value": row.value, "low": row.low, "high": row.high}
    published = {} if row.published is None else {"published": row.published}
    found = own | {name: each.value for name, each in row.controls.items()} | published
    return {name: round(float(value), PLACES) for name, value in found.items()}
