"""What a run took: GPU-hours, and their price."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from dinov2.launch.taken import Taken

HOUR_S = 3600.0


@dataclass(frozen=True)
class Cost:
    """GPU-hours of a stage or a run.

    Attributes:
        gpu_hours: those that are known.
        whole: whether that is all.
    """

    gpu_hours: float = 0.0
    whole: bool = True

    def __add__(self, other: Self) -> "Cost":
        return Cost(self.gpu_hours + other.gpu_hours, self.whole and other.whole)

    def hours_in_words(self) -> str:
        """As `3.25`, `at least 3.25` or `not known`."""
        return self._in_words(self.gpu_hours)

    def price_in_words(self, gpu_hour_price: float) -> str:
        """What they cost, in the currency of the price of one."""
        return self._in_words(self.gpu_hours * gpu_hour_price)

    def _in_words(self, amount: float) -> str:
        if self.whole:
            return _number(amount)
        return f"at least {_number(amount)}" if amount else "not known"


def cost_of(taken: Iterable[Taken]) -> Cost:
    """The cost of jobs together; of none, nothing."""
    known = [each.gpu_seconds for each in taken]
    return Cost(sum(filter(None, known)) / HOUR_S, None not in known)


def _number(amount: float) -> str:
    """Two digits behind the point, or as many as show that it is not nothing."""
    return f"{amount:,.2f}" if amount >= 0.005 or not amount else f"{amount:.1g}"
