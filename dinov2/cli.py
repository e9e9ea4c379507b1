"""The command line: `dinov2 STAGE [ITEM]` in the root of a checkout."""

from collections.abc import Callable
from importlib import import_module
from typing import Annotated

import typer

from dinov2.errors import EXIT_AGAIN, ConfigError, told_in_one_line
from dinov2.launch import JobFailedError
from dinov2.stages import MATRIX, STAGES

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)


def _run(stage: str, *item: str) -> None:
    from dinov2.stages.context import open_workspace  # the stages' libraries take seconds to import

    try:
        import_module(f"dinov2.stages.{stage}").run(open_workspace(), *item)
    except JobFailedError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(EXIT_AGAIN if error.again else 1) from None


def _command(stage: str) -> Callable[..., None]:
    if stage in MATRIX:

        def with_item(item: Annotated[str, typer.Argument(metavar=MATRIX[stage])]) -> None:
            _run(stage, item)

        return with_item

    def whole() -> None:
        _run(stage)

    return whole


for name, summary in STAGES.items():
    if name != "evaluate":  # which has options of its own, below
        app.command(name, help=summary)(_command(name))


@app.command(help=f"{STAGES['evaluate']} Or, with --model and --dataset, any backbone on any folder.")
def evaluate(
    item: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="One of the workspace's models.")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A .safetensors or .pth, models:/NAME/VERSION, random:ARCH, pixels:P, hf:NAME or timm:NAME."),
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(metavar="DIR", help="The folder of a set; may stand several times.")
    ] = None,
    protocol: Annotated[
        list[str] | None, typer.Option(metavar="NAME[,NAME]", help="knn, linear, segmentation …; else all usual ones.")
    ] = None,
    layout: Annotated[str | None, typer.Option(help="How the folders are laid out, if that cannot be told.")] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="YAML, as params.yaml has it under evaluate; else as published.")
    ] = None,
    against: Annotated[str | None, typer.Option(metavar="X", help="Another model, on the same images.")] = None,
    report: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a page with all of it and pictures, HTML.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON, in the last line.")] = False,
) -> None:
    options = (model, dataset, protocol, layout, config, against, report, as_json or None)
    if item is not None and not any(options):
        _run("evaluate", item)
        return
    if item is not None or not model or not dataset:
        raise ConfigError("evaluate: give one MODEL of the workspace, or --model and --dataset with their options")
    from dinov2.stages.one_off import evaluate as judge
    from dinov2.stages.told import Asked

    judge(Asked(model, dataset, protocol or (), layout, config, against, report), as_json)


@app.command()
def scan() -> None:
    """Look through the sources for what is new; `dvc repro` then knows whether to ingest."""
    _run("scan")


@app.command()
def adopt(
    pool: Annotated[
        str, typer.Argument(help="Folder of uncurated images; class subfolders make it a labelled set too.")
    ],
    curated: Annotated[list[str] | None, typer.Argument(help="Folders of images that show what is wanted.")] = None,
) -> None:
    """Point params.yaml at your own images; the other parameters stay as they are."""
    from dinov2.settings import workspace
    from dinov2.stages.adopt import adopt as point_at

    point_at(workspace(), pool, curated or [])


@app.command()
def consolidate(
    run: Annotated[str, typer.Argument(help="pretrain, highres or a student.")],
    step: Annotated[int | None, typer.Option(help="A checkpoint's step; the newest if it is not given.")] = None,
    to: Annotated[str, typer.Option(help="Folder for the files.")] = "weights/consolidated",
) -> None:
    """Make one file of a run's sharded checkpoint: the backbone, and one with heads to continue from."""
    from dinov2.stages.consolidate import consolidate as make_files
    from dinov2.stages.context import open_workspace

    make_files(open_workspace(), run, step, to)


@app.command()
def fetch(
    uri: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS.")],
    to: Annotated[str, typer.Argument(help="The .safetensors file to write.")],
) -> None:
    """Bring a registered model's weights from MLflow into a file, to start from or to distil."""
    from dinov2.stages.context import open_workspace
    from dinov2.stages.fetch import fetch as bring

    bring(open_workspace(), uri, to)


@app.command()
def describe(
    use: Annotated[str, typer.Argument(metavar="copy|retrieval", help="Which of the two descriptors.")],
    to: Annotated[str, typer.Option(help="The .safetensors file to write.")],
) -> None:
    """Write what a descriptor learnt from the pool to a file, so that a pool that grows does not change it."""
    from dinov2.stages.context import open_workspace
    from dinov2.stages.describe import describe as write

    write(open_workspace(), use, to)


@app.command()
def diff(
    old: Annotated[str, typer.Argument(help="A curated manifest, or a git revision that has one: runs/NAME.")],
    new: Annotated[str | None, typer.Argument(help="Likewise; data/curated.parquet if it is not given.")] = None,
    to: Annotated[str, typer.Option(help="Folder for tables and picture.")] = "reports/diff",
) -> None:
    """Tell which images were added and removed, why, and how far the embeddings moved."""
    from dinov2.stages.context import open_workspace
    from dinov2.stages.diff import diff as compare

    compare(open_workspace(), old, new, to)


@app.command()
def compare(
    candidate: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS.")],
    champion: Annotated[str | None, typer.Argument(help="Likewise; the champion of that name if none.")] = None,
    to: Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write the comparison, JSON.")] = None,
) -> None:
    """Evaluate a registered version and the champion on the same images, and tell what rules.yaml says of it."""
    from dinov2.stages.compare import compare as judge
    from dinov2.stages.context import open_workspace

    judge(open_workspace(), candidate, champion, to)


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="A registered model.")],
    who: Annotated[str, typer.Option(envvar="USER", help="Whose decision it is.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept with the decision.")],
) -> None:
    """Make the version that was champion before the last promotion champion again."""
    from dinov2.registry.promotion.rollback import rollback as go_back
    from dinov2.settings import load_settings, workspace

    before, after = go_back(name, who, reason, load_settings(), workspace())
    typer.echo(f"{name}: champion was version {before}, is version {after}")


@app.command()
def plan(
    stages: Annotated[list[str] | None, typer.Argument(help="Only these and what they need; all if none.")] = None,
    manifests: Annotated[
        str | None, typer.Option(metavar="DIR|-", help="Write the jobs' Kubernetes manifests, as files or to stdout.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Show what `dvc repro` would run, why, where and for how long; nothing is made, and no cluster is asked."""
    from dinov2.stages.context import open_workspace
    from dinov2.stages.plan import plan as look_ahead

    look_ahead(open_workspace(), stages or [], manifests, as_json)


@app.command()
def announce(
    uri: Annotated[str, typer.Argument(help="A source of params.yaml, or a file or folder in one.")],
) -> None:
    """Tell Prefect (PREFECT_API_URL) that a source has new images, so that it curates again."""
    from dinov2.runs.announce import announce as tell
    from dinov2.stages.context import open_workspace

    tell(open_workspace(), uri)


@app.command()
def janitor(
    delete: Annotated[bool, typer.Option("--delete", help="Remove what is found.")] = False,
    older_than: Annotated[int, typer.Option(min=1, metavar="DAYS", help="Leave what is newer alone.")] = 14,
    to: Annotated[str | None, typer.Option(metavar="FILE", help="Write it as JSON, too.")] = None,
) -> None:
    """Show what nobody needs any more: clones, checkpoints, jobs, scratch. Nothing is removed without --delete."""
    from dinov2.janitor import clean
    from dinov2.stages.context import open_workspace

    if not clean(open_workspace(), delete, older_than, to):
        raise typer.Exit(1)


@app.command()
def record(
    name: Annotated[str | None, typer.Argument(help="Of the run: lower-case letters, digits, hyphens.")] = None,
    push: Annotated[bool, typer.Option("--push", help="Send the outputs to DVC's remote first.")] = False,
) -> None:
    """Commit what this workspace has to the branch runs/NAME, and tell the registered versions that it made them."""
    from dinov2.runs.record import record_here
    from dinov2.settings import load_settings, workspace

    record_here(workspace(), load_settings(), name, push)


@app.command()
def reproduce(
    uri: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS.")],
    stage: Annotated[
        str | None, typer.Argument(help="One that the weights come from; else the one that wrote them.")
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="And all that it needs, from the sources on.")] = False,
) -> None:
    """Make a registered model's weights again in a clone of its run, and compare the bytes; 1 if they differ."""
    from dinov2.runs.reproduce import reproduce as make_again
    from dinov2.stages.context import open_workspace

    try:
        same = make_again(open_workspace(), uri, stage, whole)
    except JobFailedError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(0 if same else 1)


@app.command()
def lineage(
    uri: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Show the way back from a registered model's weights: its run, the stages, the manifest, the sources."""
    from dinov2.runs.lineage import lineage as show
    from dinov2.stages.context import open_workspace

    show(open_workspace(), uri, as_json)


@app.command()
def check() -> None:
    """Check params.yaml and the settings, and do nothing else."""
    from dinov2.stages.context import open_workspace

    open_workspace()


def main() -> None:
    """Entry point of the `dinov2` command."""
    with told_in_one_line():
        app()


if __name__ == "__main__":
    main()
