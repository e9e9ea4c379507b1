"""highres: the last, short phase of pretraining at high resolution."""

from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.training_images import training_images
from dinov2.stages.training_job import run_as_job
from dinov2.storage import file_sha256
from dinov2.training.work import Work

NAME = "highres"


def work(context: Context) -> Work:
    """Training on from where pretraining ended.

    Raises:
        ConfigError: pretraining has not ended.
    """
    (images, digest), start = training_images(context), context.made(files.training("pretrain"))
    return Work(
        name=NAME,
        config=context.params.highres.training(context.params.pretrain),
        seed=context.params.seed,
        images=images,
        images_digest=digest,
        backbone=context.path(files.weights(NAME)),
        start=start,
        start_digest=file_sha256(start),
        training=context.path(files.training(NAME)),
    )


def run(context: Context) -> None:
    """curated.parquet and pretraining's networks to weights, loss curve and final figures."""
    run_as_job(context, NAME)
