"""What the rules say of a comparison. A figure that is missing, or is no number, breaks them: nothing passes unseen."""

from dataclasses import dataclass
from math import isfinite

from dinov2.evaluation import printed
from dinov2.evaluation.figure import Figure, metric_of
from dinov2.evaluation.paired import Difference, mean
from dinov2.registry.promotion.comparison import Comparison
from dinov2.registry.promotion.config import PromotionConfig

SLACK = 1e-9
"""Differences are fractions of images: the last bits of a float must not decide."""


@dataclass(frozen=True)
class Finding:
    """What one rule says, in words, and whether it holds."""

    rule: str
    holds: bool
    says: str


def verdict(rules: PromotionConfig, comparison: Comparison) -> list[Finding]:
    """What every rule says; the candidate may be promoted when all of them hold.

    Without a champion nothing can be gained or lost: only completeness is asked for.
    """
    found = [_complete(rules, comparison)]
    if comparison.champion:
        found += [_gains(rules, comparison.figures), _keeps(rules, comparison.figures)]
    return found


def broken(findings: list[Finding]) -> list[str]:
    """What the rules that do not hold say."""
    return [finding.says for finding in findings if not finding.holds]


def _complete(rules: PromotionConfig, comparison: Comparison) -> Finding:
    rule = "every figure that either version was registered with is there, and is a number"
    contenders = [each for each in (comparison.candidate, comparison.champion) if each]
    compared = {figure.name for figure in comparison.figures}
    lacking = [f"version {each.version} was registered without figures" for each in contenders if not each.figures]
    wanted = sorted({name for each in contenders for name in each.figures} - compared)
    lacking += [f"{name} is missing" for name in wanted]
    lacking += [f"{each.name} is no number" for each in comparison.figures if not _whole(each, comparison)]
    if not any(rules.measures(name) for name in compared):
        lacking.append(f"no figure is {rules.metric}")
    return Finding(rule, not lacking, "; ".join(lacking) or f"{len(compared)} figures")


def _whole(figure: Figure, comparison: Comparison) -> bool:
    numbers: list[float | None] = [figure.candidate]
    if comparison.champion:
        numbers += [figure.champion, figure.gain, figure.low, figure.high]
    return figure.images > 0 and all(number is not None and isfinite(number) for number in numbers)


def _gains(rules: PromotionConfig, figures: tuple[Figure, ...]) -> Finding:
    rule = f"{rules.metric} gains at least {printed.gain(metric_of(rules.metric), rules.minimum_gain)}"
    parts = [figure.difference for figure in figures if rules.measures(figure.name)]
    known = [part for part in parts if part]
    if not known or len(known) < len(parts):
        return Finding(rule, False, f"{rules.metric}: the gain is missing")
    value, low, high = mean(known)
    judged = low if rules.judged_by == "interval" else value
    says = f"{rules.metric}: {_spelt(rules.metric, value, low, high)}"
    return Finding(rule, judged >= rules.minimum_gain - SLACK, says)


def _keeps(rules: PromotionConfig, figures: tuple[Figure, ...]) -> Finding:
    rule = f"no accuracy loses more than {100 * rules.tolerance:.1f} points, and no other figure is worse"
    losses = [
        f"{figure.name}: {_spelt(figure.name, by.value, by.low, by.high) if by else 'the gain is missing'}"
        for figure in figures
        if (by := figure.difference) is None or _loses(rules, figure, by)
    ]
    return Finding(rule, not losses, "; ".join(losses) or "none does")


def _loses(rules: PromotionConfig, figure: Figure, by: Difference) -> bool:
    """Whether it is worse than it may be; what is no accuracy, and has a unit of its own, must not be worse at all."""
    if figure.verdict is not None:
        return figure.verdict == "worse"
    return not (by.low if rules.judged_by == "interval" else by.value) >= -rules.tolerance - SLACK


def _spelt(name: str, value: float, low: float, high: float) -> str:
    metric = metric_of(name)
    return f"{printed.gain(metric, value)} ({printed.reach(metric, low, high)})"
