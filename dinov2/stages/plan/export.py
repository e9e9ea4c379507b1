"""A forecast for programs, and as manifests."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from dinov2.stages.plan.forecast import Forecast, Planned
from dinov2.stages.plan.show import job_name, why
from dinov2.storage import write_text


def as_json(found: Forecast) -> list[dict[str, Any]]:
    """Every piece with all that is known of it."""
    return [
        {
            "stage": planned.outlook.name,
            "outcome": planned.outlook.outcome,
            "why": list(planned.outlook.why),
            "launcher": planned.place.launcher,
            "job": planned.place.name or None,
            "finished": planned.place.finished,
            "keyless": planned.piece.keyless or None,
            "pods": planned.place.pods,
            "processes": planned.place.processes,
            "gpus": planned.place.gpus,
            "flops": planned.piece.effort.flops,
            "note": planned.piece.effort.note,
            "hours": planned.estimate.hours if planned.estimate else None,
            "gpu_hours": planned.gpu_hours,
            "rate": planned.estimate.source if planned.estimate else None,
            "manifests": list(planned.place.manifests),
        }
        for planned in found.planned
    ]


def manifests(found: Forecast) -> str:
    """All manifests as YAML documents, each job's under a line that says what it is of."""
    return "".join(text for _, text in _documents(found.planned))


def write_manifests(found: Forecast, folder: Path) -> list[Path]:
    """A file for each job, numbered in the order in which they would be made."""
    documents = list(_documents(found.planned))
    paths = [folder / f"{number:02}-{name}.yaml" for number, (name, _) in enumerate(documents, start=1)]
    for path, (_, text) in zip(paths, documents, strict=True):
        write_text(path, text)
    return paths


def _documents(planned: Sequence[Planned]) -> Iterator[tuple[str, str]]:
    """For each job on a cluster its name and its YAML."""
    for each in planned:
        if not each.place.manifests:
            continue
        lines = [f"# {each.outlook.name}: {' '.join(why(each).split())}"]
        if each.piece.keyless:
            lines.append(
                f"# {job_name(each)}: this name, and the port where pods meet, will follow from the job's inputs"
            )
        yield each.place.name, "\n".join([*lines, _yaml(each.place.manifests)])


def _yaml(found: Sequence[dict[str, Any]]) -> str:
    return yaml.safe_dump_all(found, sort_keys=False, explicit_start=True, allow_unicode=True)
