"""Stage evaluate@MODEL: what a model's features are worth, beside its controls, and what they look like."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from dinov2.evaluation.backbones import Backbone
from dinov2.evaluation.measured import Measured
from dinov2.evaluation.report import html, logged, markdown, numbers, plot
from dinov2.evaluation.suite import metrics
from dinov2.evaluation.table import table, times
from dinov2.registry.tracking import tracked
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.findings import judge, report_of, sheet
from dinov2.stages.judged import judging, model_of, share
from dinov2.stages.whole_job import run_whole
from dinov2.storage import atomic_path, digest, file_sha256, write_json, write_text

__all__ = ["here", "reads", "run", "share", "writes"]


def run(context: Context, item: str) -> None:
    """Write what was found of model `item` on every labelled source and set: numbers, a page, pictures."""
    run_whole(context, "evaluate", item)


def reads(item: str) -> tuple[str, ...]:
    """Files that `here` reads."""
    return files.MANIFEST, files.SETS, files.weights(item)


def writes(item: str) -> tuple[str, ...]:
    """Files that `here` writes."""
    return (
        files.picture(item), files.evaluation(item), files.headlines(item), files.page(item), files.results(item)
    )  # fmt: skip


def here(context: Context, item: str) -> None:
    """As `run`, in this process."""
    work, model, seed = judging(context), model_of(context, item), context.params.seed
    for name, why in work.labelled.skipped.items():
        print(f"evaluate: {name} {why}", file=sys.stderr)
    # Not the seed itself, as in `controls_of`.
    shown: dict[str, Backbone] = {item: model, "random weights": model.twin(seed + 1)}
    found, picture = judge(work, model, shown), sheet(context, work, shown)
    of_sources = found.measured[: len(work.labelled.usable)]
    rows = {each.dataset: each.rows(seed) for each in found.measured}
    report = report_of(item, model, work, found.pictures or [picture], [row for each in rows.values() for row in each])
    others = replace(report, rows=[row for each in found.measured[len(of_sources) :] for row in rows[each.dataset]])
    told = metrics(work.labelled, of_sources, seed) | {"numbers": numbers(others)}

    with atomic_path(context.path(files.picture(item))) as draft:
        draft.write_bytes(picture.png())
    write_text(context.path(files.page(item)), html(report))
    write_text(context.path(files.results(item)), markdown(report))
    write_text(context.path(files.headlines(item)), plot(report))
    write_json(context.path(files.evaluation(item)), told)
    for line in table(report.headlines()) if report.rows else ["no labelled set to evaluate on; pictures only"]:
        print(f"{item}: {line}")
    # Times are told here and in MLflow alone: of what DVC keeps, equal inputs give equal bytes.
    for each in found.measured:
        for line in times(each.dataset, each.seconds):
            print(f"{item}: {line}")
    _track(context, item, logged(report) | _seconds(found.measured))


def _seconds(measured: Sequence[Measured]) -> dict[str, float]:
    """By name, seconds.SET.WHO.STEP."""
    return {
        f"seconds.{found.dataset}.{who}.{step}": took
        for found in measured
        for who, steps in found.seconds.items()
        for step, took in steps.items()
    }


def _track(context: Context, item: str, found: dict[str, float]) -> None:
    """A run in MLflow with all numbers, the page and the pictures."""
    parameters = context.params.evaluate.model_dump(mode="json") | {"seed": context.params.seed}
    read = {"weights": files.weights(item), "manifest": files.MANIFEST}
    read |= {"sets": files.SETS} if context.params.evaluate.sets else {}
    inputs = {name: file_sha256(context.path(path)) for name, path in read.items()}
    work = digest("evaluate", item, parameters, inputs)
    with tracked(context.settings, context.root, f"evaluate {item}", work, parameters, inputs) as run:
        run.summary(found)
        for path in (files.picture(item), files.page(item)):
            run.picture(context.path(path))
