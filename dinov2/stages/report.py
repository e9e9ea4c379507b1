"""Stage report: one page that shows what was kept, what was learned and what it is worth."""

from dinov2.evaluation.report import ReportFiles, build_report
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.storage import write_text


def run(context: Context) -> None:
    """Write reports/index.html from what the other stages left."""
    shown = ReportFiles(
        manifest=context.path(files.MANIFEST),
        rejects=context.path(files.REJECTS),
        duplicates=context.path(files.DUPLICATES),
        curated=context.path(files.CURATED),
        metrics=context.path("metrics"),
        plots=context.path("plots"),
        pictures=context.path("reports/pca"),
    )
    trained = ("pretrain", "highres", *context.params.distill.students)
    # Registration comes after the report's inputs and changes none of them.
    params = context.params.model_dump(mode="json", by_alias=True, exclude={"register_"})
    page = build_report(shown, trained, context.params.evaluate.models, params, context.reader)
    write_text(context.path(files.REPORT), page)
    print(f"{files.REPORT}: {len(page) / 1e6:.1f} MB")
