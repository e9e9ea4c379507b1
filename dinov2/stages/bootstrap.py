"""The descriptor `bootstrap`: a backbone from a short run of self-supervised training on the raw pool."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

from dinov2.curation.config import BootstrapConfig
from dinov2.errors import ConfigError, told_in_one_line
from dinov2.launch import Job, in_a_job
from dinov2.stages.context import Context, open_workspace
from dinov2.stages.files import MANIFEST
from dinov2.stages.given import use_of
from dinov2.stages.job_inputs import inputs_of, key_of
from dinov2.stages.learnt import launch_learning, local_path, pool, to_file
from dinov2.stages.training_job import claim_checkpoints, learn
from dinov2.training.config import TrainingConfig
from dinov2.training.work import Work

NAME = "bootstrap"


def bootstrapped(context: Context, config: BootstrapConfig) -> Path:
    """A local file of the backbone's weights, out of the store; trained first if the store has none.

    Raises:
        DataError: the pool has no images.
        UserError: the run said that its parameters are wrong.
        JobFailedError: it failed otherwise or was told to stop; called again it goes on.
    """
    use = use_of(context, config)
    own = work(context, use)
    if found := to_file(context, own.digest):
        return found
    claim_checkpoints(context, own)
    launch_learning(context, job_of(context, use))
    found = to_file(context, own.digest)
    assert found, "the job has put it into the store"
    return found


def job_of(context: Context, use: str) -> Job:
    """The job that trains it; it runs as pretraining's does, whose batches it has."""
    inputs, key = inputs_of(context, "embed", (MANIFEST,)), key_of(context, work(context, use).digest)
    return Job(NAME, "dinov2.stages.bootstrap", (use,), inputs, (), stage="pretrain", key=key)


def resolution(context: Context, config: BootstrapConfig) -> int:
    """Side of the square images that the descriptor sees."""
    return config.resolution or context.params.pretrain.crops.global_size


def training_of(config: BootstrapConfig, pretrain: TrainingConfig) -> TrainingConfig:
    """Pretraining with fewer steps and perhaps another model."""
    changed = {
        "model": config.model or pretrain.model,
        "epoch_length": pretrain.epoch_length * config.share,
        "init_from": None,
    }
    return TrainingConfig.model_validate(dict(pretrain) | changed)


def work(context: Context, use: str) -> Work:
    """The run for one use of descriptors, on other images than pretraining's.

    It sees as many images of the pool as its steps have room for.

    Raises:
        ConfigError: this use has another kind of descriptor.
        DataError: the pool has no images.
    """
    embed = context.params.embed
    config = {"copy": embed.copy_, "retrieval": embed.retrieval}[use]
    if not isinstance(config, BootstrapConfig):
        raise ConfigError(f"embed.{use}.kind: {config.kind!r}; wanted 'bootstrap'")
    training = training_of(config, context.params.pretrain)
    images = pool(context, training.iterations * training.batch_size)
    names = hashlib.sha256()
    for sha256 in images["sha256"]:
        names.update(sha256.as_py().encode())
    made = Work(
        name=NAME,
        config=training,
        seed=context.params.seed,
        images=images,
        images_digest=names.hexdigest(),
        backbone=context.scratch,
    )
    return replace(made, backbone=local_path(context, made.digest))


def main(use: str) -> None:
    """What every process of the job executes; rank 0 puts the weights into the store."""
    context = open_workspace(checked=False)
    own = work(context, use)
    if learn(context, own) is not None:
        context.store.write_checked(f"descriptors/{own.digest}.safetensors", own.backbone.read_bytes())


if __name__ == "__main__":
    with in_a_job(), told_in_one_line():
        main(*sys.argv[1:])
