"""How long work takes, from rates that earlier runs have noted."""

from collections.abc import Sequence
from dataclasses import dataclass

from dinov2.training.rates import Rate, label


@dataclass(frozen=True)
class Estimate:
    """Hours by the clock, of all processes together, and where the rate is from."""

    hours: float
    source: str


def estimate(flops: float, processes: int, product: str | None, rate: Rate) -> Estimate:
    """The time that work takes if each process is as fast as one was when the rate was measured.

    Args:
        flops: of the work.
        processes: that share it.
        product: the device that is asked for, as labels of nodes name it; None if any will do.
        rate: to go by.
    """
    source = f"{rate.flops / 1e12:.3g} TFLOP/s each, of {rate.run} on {rate.processes} × {rate.device}, {rate.at[:10]}"
    if product not in (None, label(rate.device)):
        source += f"; none was measured on {product}"
    return Estimate(flops / (rate.flops * processes) / 3600, source)


def choose(rates: Sequence[Rate], kind: str, product: str | None, run: str) -> Rate | None:
    """The rate to estimate by: of the device that is asked for if there is one, and then of the same run, and new.

    Args:
        rates: the newest first.
        kind: "cuda" or "cpu"; rates of the other say nothing.
        product: the device, as labels of nodes name it; None if any will do.
        run: what is to be estimated: `pretrain`, `highres`, a student.
    """
    usable = [rate for rate in rates if rate.kind == kind]
    if not usable:
        return None
    return max(usable, key=lambda rate: (label(rate.device) == product, run in rate.run.split("+")))
