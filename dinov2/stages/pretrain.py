"""pretrain: a backbone from the curated photographs, without labels."""

from dinov2.data.manifest import read_manifest
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.training_job import run_as_job
from dinov2.storage import file_sha256
from dinov2.training.work import Work

NAME = "pretrain"


def work(context: Context) -> Work:
    """Training from random weights, or from those of `pretrain.init_from`.

    Raises:
        ConfigError: there is no such file.
    """
    images, init_from = context.path(files.CURATED), context.params.pretrain.init_from
    start = context.given("pretrain.init_from", init_from) if init_from else None
    return Work(
        name=NAME,
        config=context.params.pretrain,
        seed=context.params.seed,
        images=read_manifest(images),
        images_digest=file_sha256(images),
        backbone=context.path(files.weights(NAME)),
        start=start,
        start_digest=file_sha256(start) if start else "",
        training=context.path(files.training(NAME)),
    )


def run(context: Context) -> None:
    """curated.parquet to weights, loss curve and final figures."""
    run_as_job(context, NAME)
