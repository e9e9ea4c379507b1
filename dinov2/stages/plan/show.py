"""A forecast for people."""

from rich.console import Console
from rich.table import Table

from dinov2.stages.plan.forecast import Forecast, Planned
from dinov2.stages.plan.places import UNKNOWN

PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
LONGEST = 3
"""Reasons that are shown for a stage."""
NO_RATE = (
    "no time, since no rate of a {kind} was measured: each training run notes one in the store, and "
    "`python -m benchmarks.train_step --device {device}` measures images per second"
)


def table(found: Forecast, console: Console) -> None:
    """What would run, why, where and how long; below it where estimates are from, and what is not known."""
    if not found.planned:
        console.print(f"Nothing to do; up to date: {_several(found.stages, 'stage')}.")
        return
    stages = dict.fromkeys(planned.outlook.name for planned in found.planned)
    console.print(f"`dvc repro` would run {len(stages)} of {found.stages} stages, in this order:\n")
    shown = Table("stage", "why", "where", "work", "time", box=None, header_style="bold")
    before = ""
    for planned in found.planned:
        name = planned.outlook.name
        first, before = name != before, name
        shown.add_row(*([name, why(planned)] if first else ["", ""]), _where(planned), *_figures(planned))
    known = [planned for planned in found.planned if planned.estimate]
    if len(known) > 1:
        hours = sum(planned.estimate.hours for planned in known if planned.estimate)
        gpus = sum(planned.gpu_hours or 0.0 for planned in known)
        shown.add_row("total of these", "", "", "", _time(hours, gpus), style="bold")
    console.print(shown)
    console.print()
    for text, names in notes(found).items():
        console.print(f"{', '.join(names)}: {text}", soft_wrap=True)


def why(planned: Planned) -> str:
    """Why a stage would run, in a few words."""
    outlook, more = planned.outlook, len(planned.outlook.why) - LONGEST
    shown = [*outlook.why[:LONGEST], *([f"and {more} more"] if more > 0 else [])]
    ends = {"restore": "; restored from DVC's cache", "follow": ", if that changes what it reads", "run": ""}
    return "; ".join(shown) + ends[outlook.outcome]


def notes(found: Forecast) -> dict[str, list[str]]:
    """What figures are made of and which are missing, and the stages that it is said of."""
    said: dict[str, list[str]] = {}
    for planned in found.planned:
        work, place = planned.piece.effort, planned.place
        if planned.outlook.outcome == "restore":
            continue
        if place.finished:
            said.setdefault("its job has run before, and only its outputs are brought back", []).append(
                job_name(planned)
            )
            continue
        lines = [f"unknown: {work.note}" if work.note and work.flops is None else work.note]
        if planned.estimate:
            lines.append(planned.estimate.source)
        elif work.flops:
            lines.append(NO_RATE.format(kind="GPU" if place.kind == "cuda" else "CPU", device=place.kind))
        for line in filter(None, lines):
            names = said.setdefault(line, [])
            names += [planned.outlook.name] if planned.outlook.name not in names else []
    if found.unscanned:
        said["not there, and `dvc repro` stops without them; `dinov2 scan` writes them"] = list(found.unscanned)
    return said


def _where(planned: Planned) -> str:
    place = planned.place
    if planned.outlook.outcome == "restore":
        return "DVC's cache"
    size = f"{_several(place.processes, 'process')}" + (f", {_several(place.gpus, 'GPU')}" if place.gpus else "")
    if place.launcher == "kubernetes":
        size += " at a time" if place.processes < place.pods else ""
        return f"kubernetes: {_several(place.pods, 'pod')}, {size}\n{job_name(planned)}"
    return f"this machine: {size}"


def _figures(planned: Planned) -> tuple[str, str]:
    """Work and time."""
    work, found = planned.piece.effort, planned.estimate
    if planned.outlook.outcome == "restore" or planned.place.finished or work.flops == 0:
        return "–", "–"
    if work.flops is None:
        return ("unknown", "unknown") if work.note else ("–", "–")
    return _flop(work.flops), _time(found.hours, planned.gpu_hours or 0.0) if found else "unknown"


def job_name(planned: Planned) -> str:
    """The Job's name, or why a part of it is not known yet."""
    place, piece = planned.place, planned.piece
    return f"{place.name.removesuffix(UNKNOWN)}<{piece.keyless}>" if piece.keyless else place.name


def _several(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "es" if what.endswith("s") else "s")


def _flop(flops: float) -> str:
    """1.2e21 as 1.2 ZFLOP."""
    power = next((power for power in range(len(PREFIXES)) if flops < 999.5 * 1000**power), len(PREFIXES) - 1)
    return f"{flops / 1000**power:.3g} {PREFIXES[power]}FLOP"


def _time(hours: float, gpu_hours: float) -> str:
    """By the clock, in the unit that suits, and in GPU-hours."""
    seconds = 3600 * hours
    clock = f"{seconds:.2g} s" if seconds < 99.5 else f"{seconds / 60:.2g} min" if seconds < 5970 else f"{hours:,.1f} h"
    return f"{clock}\n{gpu_hours:,.4g} GPU-hours" if gpu_hours else clock
