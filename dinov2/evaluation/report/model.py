"""What there is to say of one model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dinov2.errors import DataError
from dinov2.evaluation.pictures import Picture
from dinov2.evaluation.results import Row
from dinov2.evaluation.versus import Versus


@dataclass(frozen=True)
class ModelReport:
    """All results of a model.

    Attributes:
        model: its name.
        facts: about it, by label: architecture, parameters, patch.
        rows: every metric of every protocol on every set; the first of a protocol on a set is its headline.
        sets: a sentence about each set: classes, images, how they were split.
        skipped: why a set was not evaluated on, by its name.
        pictures: to look at.
        other: name of another model that was judged on the same images; none where there is no other.
        versus: this model against that one, metric by metric.

    Raises:
        DataError: two rows are of the same metric, protocol and set.
    """

    model: str
    facts: Mapping[str, str]
    rows: Sequence[Row]
    sets: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    other: str = ""
    versus: Sequence[Versus] = ()

    def __post_init__(self) -> None:
        seen: set[tuple[str, str, str]] = set()
        for row in self.rows:
            if (key := _key(row)) in seen:
                raise DataError(f"report of {self.model}: two rows of {', '.join(key)}")
            seen.add(key)

    def grouped(self) -> dict[str, dict[str, list[Row]]]:
        """Rows by set and protocol, in the order in which they first occur."""
        found: dict[str, dict[str, list[Row]]] = {}
        for row in self.rows:
            found.setdefault(row.dataset, {}).setdefault(row.protocol, []).append(row)
        return found

    def headlines(self) -> list[Row]:
        """The first row of each protocol on each set."""
        return [rows[0] for by_protocol in self.grouped().values() for rows in by_protocol.values()]

    def controls(self) -> list[str]:
        """Names of all controls, in the order in which they first occur."""
        return list({name: None for row in self.rows for name in row.controls})

    def versus_of(self, row: Row) -> Versus | None:
        """The same metric of the other model, and the difference; None where it was not compared."""
        return next((each for each in self.versus if _key(each) == _key(row)), None)


def _key(of: Row | Versus) -> tuple[str, str, str]:
    return of.dataset, of.protocol, of.metric
