"""Evaluation metrics of several models, arranged for reading: each set, each protocol, models beside their controls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dinov2.evaluation.report import wording

EVERY_PROTOCOL_HAS = ("accuracy", "low", "high")


@dataclass(frozen=True)
class Score:
    """An accuracy and its 95% interval, in per cent."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Entry:
    """A model's score, that of its architecture with random weights, and the protocol's further numbers."""

    model: str
    score: Score
    random: Score
    verdict: str
    details: dict[str, float]


@dataclass(frozen=True)
class Board:
    """One protocol on one set."""

    title: str
    entries: list[Entry]
    pixels: Score


@dataclass(frozen=True)
class SetBoards:
    """All protocols on one set, its size, and what always answering the largest class would score, in per cent."""

    name: str
    facts: Mapping[str, Any]
    chance: float
    boards: list[Board]


def scoreboards(evaluations: Mapping[str, Mapping[str, Any]]) -> list[SetBoards]:
    """The boards of every set, from `metrics/evaluate/<model>.json` by model, in the order of the models given."""
    by_set: dict[str, dict[str, Mapping[str, Any]]] = {}
    for model, metrics in evaluations.items():
        for name, facts in metrics["datasets"].items():
            by_set.setdefault(name, {})[model] = facts
    return [_set_boards(name, by_model) for name, by_model in sorted(by_set.items())]


def _set_boards(name: str, by_model: Mapping[str, Mapping[str, Any]]) -> SetBoards:
    facts = next(iter(by_model.values()))
    boards = [_board(protocol, by_model) for protocol in facts["protocols"]]
    return SetBoards(name, facts, 100 * facts["chance"], boards)


def _board(protocol: str, by_model: Mapping[str, Mapping[str, Any]]) -> Board:
    found = {model: facts["protocols"][protocol] for model, facts in by_model.items()}
    pixels = _score(next(iter(found.values()))["pixels"])
    entries = [_entry(model, each) for model, each in found.items()]
    return Board(wording.protocol(protocol), entries, pixels)


def _entry(model: str, found: Mapping[str, Mapping[str, float]]) -> Entry:
    score, random, pixels = (_score(found[kind]) for kind in ("model", "random", "pixels"))
    details = {name: value for name, value in found["model"].items() if name not in EVERY_PROTOCOL_HAS}
    return Entry(model, score, random, verdict(score, (random, pixels)), details)


def verdict(score: Score, controls: Sequence[Score]) -> str:
    """In words, where a score's interval lies against the best control's."""
    best = max(controls, key=lambda control: control.value)
    if score.low > best.high:
        return "above its controls"
    return "below a control" if score.high < best.low else "not clearly above its controls"


def _score(found: Mapping[str, float]) -> Score:
    return Score(*(100 * found[name] for name in EVERY_PROTOCOL_HAS))
