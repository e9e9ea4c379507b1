"""pretrain: a backbone from the curated photographs, without labels."""

from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.training_images import training_images
from dinov2.stages.training_job import run_as_job
from dinov2.storage import file_sha256
from dinov2.training.work import Work

NAME = "pretrain"


def work(context: Context) -> Work:
    """Training from random weights, or from those of `pretrain.init_from`.

    Raises:
        ConfigError: there is no such file.
    """
    (images, digest), init_from = training_images(context), context.params.pretrain.init_from
    start = context.given("pretrain.init_from", init_from) if init_from else None
    return Work(
        name=NAME,
        config=context.params.pretrain,
        seed=context.params.seed,
        images=images,
        images_digest=digest,
        backbone=context.path(files.weights(NAME)),
        start=start,
        start_digest=file_sha256(start) if start else "",
        training=context.path(files.training(NAME)),
    )


def run(context: Context) -> None:
    """curated.parquet to weights, loss curve and final figures."""
    run_as_job(context, NAME)
