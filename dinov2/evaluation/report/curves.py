"""Curves of a training run, from its CSV, as small inline SVG."""

import csv
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np
from markupsafe import Markup

POINTS = 240
WIDTH, HEIGHT = 240.0, 72.0
X_COLUMN = "iteration"


@dataclass(frozen=True)
class Curve:
    """One column of a run, ready to show: its line, and the numbers to write beside it."""

    name: str
    svg: Markup
    low: str
    high: str
    last: str


@dataclass(frozen=True)
class Run:
    """All curves of one run; `last` is its last iteration."""

    name: str
    last: int
    curves: list[Curve]


def read_run(path: Path) -> Run:
    """The curves of `plots/<run>.csv`: a header, a column `iteration`, and numbers; fields may be empty."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in (rows[0] if rows else {}) if name != X_COLUMN]
    drawn = [_curve(name, *_points(rows, name)) for name in columns]
    last = round(float(rows[-1][X_COLUMN])) if rows else 0
    return Run(path.stem, last, [curve for curve in drawn if curve])


def _points(rows: list[dict[str, str]], column: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(float(row[X_COLUMN]), float(row[column])) for row in rows if row[column]]
    finite = np.array([pair for pair in pairs if isfinite(pair[1])]).reshape(-1, 2)
    return finite[:, 0], finite[:, 1]


def _curve(name: str, x: np.ndarray, y: np.ndarray) -> Curve | None:
    if not len(x):
        return None
    label = name.replace("_", " ")
    return Curve(label, line(*thinned(x, y, POINTS), label), *(number(value) for value in (y.min(), y.max(), y[-1])))


def number(value: float) -> str:
    """Four digits, with the minus sign of print."""
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def thinned(x: np.ndarray, y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` points: means over equal stretches, so that a long noisy curve stays readable."""
    if len(x) <= most:
        return x, y
    edges = np.linspace(0, len(x), most + 1).astype(int)[:-1]
    counts = np.diff(np.append(edges, len(x)))
    return np.add.reduceat(x, edges) / counts, np.add.reduceat(y, edges) / counts


def line(x: np.ndarray, y: np.ndarray, label: str) -> Markup:
    """An SVG of a line that fills its frame; its colour and size are the style sheet's."""
    across = WIDTH * (x - x.min()) / (np.ptp(x) or 1.0)
    up = HEIGHT * (1 - (y - y.min()) / np.ptp(y)) if np.ptp(y) else np.full(len(y), HEIGHT / 2)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))
    shape = f'<polyline points="{points}"/>' if len(x) > 1 else f'<circle cx="0" cy="{HEIGHT / 2}" r="3"/>'
    view = f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" preserveAspectRatio="none"'
    return Markup('<svg {} role="img" aria-label="{}">{}</svg>').format(Markup(view), label, Markup(shape))
