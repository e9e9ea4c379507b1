"""Metrics as they are printed, in tables, pages and sentences alike: shares in per cent, depths in metres."""

from dinov2.evaluation.results import METRES, RATIOS

MINUS = "\N{MINUS SIGN}"


def number(metric: str, value: float) -> str:
    """A value of a metric without its unit."""
    return (f"{value:.3f}" if metric in METRES | RATIOS else f"{100 * value:.1f}").replace("-", MINUS)


def value(metric: str, value: float) -> str:
    """A value with its unit."""
    return number(metric, value) + ("" if metric in RATIOS else " m" if metric in METRES else "%")


def interval(metric: str, low: float, high: float) -> str:
    """From one end to the other; the unit is that of the value."""
    return f"{number(metric, low)}–{number(metric, high)}"


def signed(metric: str, difference: float) -> str:
    """A difference of two values without its unit."""
    return f"{'+' * (difference >= 0)}{number(metric, difference)}"


def gain(metric: str, difference: float) -> str:
    """A difference with its unit; of shares it is percentage points."""
    return signed(metric, difference) + ("" if metric in RATIOS else " m" if metric in METRES else " points")


def reach(metric: str, low: float, high: float) -> str:
    """The interval of a difference, from one end to the other."""
    return f"{signed(metric, low)} to {signed(metric, high)}"
