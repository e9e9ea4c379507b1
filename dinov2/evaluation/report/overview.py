"""The report: one HTML file that holds everything it shows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from dinov2.data.sources import ImageReader
from dinov2.evaluation.pictures.galleries import counts, duplicates, keys_of, retrievals
from dinov2.evaluation.pictures.thumbnails import sheet_uri, thumbnails
from dinov2.evaluation.report.curves import read_run
from dinov2.evaluation.report.scoreboard import scoreboards
from dinov2.evaluation.report.templates import template


@dataclass(frozen=True)
class ReportFiles:
    """Where the report finds what it shows; a file that is not there leaves a sentence in its place."""

    manifest: Path
    rejects: Path
    duplicates: Path
    curated: Path
    metrics: Path
    plots: Path
    pictures: Path


def build_report(
    files: ReportFiles, runs: Sequence[str], models: Sequence[str], params: Mapping[str, Any], reader: ImageReader
) -> str:
    """The page, self-contained: equal files give equal bytes.

    Args:
        files: what to show.
        runs: names of the training runs, in the order to show them.
        models: names of the evaluated models, likewise.
        params: all parameters, defaults included.
        reader: reads the images of the galleries.
    """
    removed = duplicates(files.duplicates) if files.duplicates.is_file() else []
    queries, clusters = (
        retrievals(files.curated, by) if files.curated.is_file() else [] for by in ("query", "cluster")
    )
    evaluations = _named(files.metrics / "evaluate", models, ".json")
    evaluated = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in evaluations.items()}
    return template("overview.html.jinja").render(
        sizes=_sizes(files),
        sets=scoreboards(evaluated),
        skipped=next((each["skipped"] for each in evaluated.values()), {}),
        evaluated=bool(evaluated),
        runs=[read_run(path) for path in _named(files.plots, runs, ".csv").values()],
        sheets={name: sheet_uri(path) for name, path in _named(files.pictures, models, ".png").items()},
        removed=removed,
        queries=queries,
        clusters=clusters,
        chosen_by=counts(files.curated, "reason") if files.curated.is_file() else [],
        thumbnails=thumbnails(files.manifest, keys_of(removed, [*queries, *clusters]), reader),
        rejects=counts(files.rejects, "reason") if files.rejects.is_file() else [],
        metrics=_flat_metrics(files.metrics, ("ingest", "deduplicate", "retrieve", *runs)),
        params=yaml.safe_dump(dict(params), sort_keys=False, allow_unicode=True),
    )


def _sizes(files: ReportFiles) -> dict[str, int | None]:
    """Rows of each Parquet file, None for one that is not there."""
    parquet = {name: getattr(files, name) for name in ("manifest", "rejects", "duplicates", "curated")}
    return {name: pq.read_metadata(path).num_rows if path.is_file() else None for name, path in parquet.items()}


def _named(folder: Path, names: Sequence[str], suffix: str) -> dict[str, Path]:
    """The files called after `names` that are there, in that order."""
    paths = {name: folder / f"{name}{suffix}" for name in names}
    return {name: path for name, path in paths.items() if path.is_file()}


def _flat_metrics(folder: Path, stages: Sequence[str]) -> dict[str, list[tuple[str, Any]]]:
    """Metrics by stage, nested names joined by dots."""
    found = _named(folder, stages, ".json")
    return {name: list(_flat(json.loads(path.read_text(encoding="utf-8")))) for name, path in found.items()}


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        for name, value in content.items():
            yield from _flat(value, f"{prefix}.{name}" if prefix else name)
    else:
        yield prefix, content
