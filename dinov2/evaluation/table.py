"""Rows of results as text, for a terminal or a log."""

from collections.abc import Iterator, Mapping, Sequence

from dinov2.evaluation import printed
from dinov2.evaluation.results import Row
from dinov2.evaluation.statistics import Interval

NOTE = "in per cent, rmse in metres; [] is the 95% interval over images"


def table(rows: Sequence[Row]) -> list[str]:
    """A line for each row under a header, in columns as wide as what stands in them."""
    controls = list(dict.fromkeys(name for row in rows for name in row.controls))
    header = ["dataset", "protocol", "metric", "value", *controls, "published", "verdict", "images"]
    return [*columns([header, *(_cells(row, controls) for row in rows)]), NOTE]


def columns(cells: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of equally many cells, each column as wide as what stands in it."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def times(dataset: str, seconds: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """A line for the model and one for each control: how long features and protocols took."""
    for who, own in seconds.items():
        yield f"{dataset}, {who}: " + ", ".join(f"{name} {took:.1f} s" for name, took in own.items())


def _cells(row: Row, controls: Sequence[str]) -> list[str]:
    own = Interval(row.value, row.low, row.high)
    beside = [_interval(row.metric, row.controls[name]) if name in row.controls else "" for name in controls]
    published = "" if row.published is None else printed.number(row.metric, row.published)
    return [
        row.dataset, row.protocol, row.metric, _interval(row.metric, own), *beside, published, row.verdict or "",
        str(row.count),
    ]  # fmt: skip


def _interval(metric: str, found: Interval) -> str:
    return f"{printed.number(metric, found.value)} [{printed.interval(metric, found.low, found.high)}]"
