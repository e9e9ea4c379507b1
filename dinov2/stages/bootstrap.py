"""The descriptor `bootstrap`: a backbone from a short run of self-supervised training on the raw pool."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

from dinov2.curation.config import BootstrapConfig
from dinov2.errors import ConfigError, told_in_one_line
from dinov2.launch import Job, exit_code_kept, launch
from dinov2.stages.context import Context, open_workspace
from dinov2.stages.files import MANIFEST
from dinov2.stages.given import use_of
from dinov2.stages.learnt import local_path, pool, to_file
from dinov2.stages.training_job import learn
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
    launch(Job(NAME, "dinov2.stages.bootstrap", (use,), (context.path(MANIFEST),), ()), context.settings, context.root)
    found = to_file(context, own.digest)
    assert found, "the job has put it into the store"
    return found


def resolution(context: Context, config: BootstrapConfig) -> int:
    """Side of the square images that the descriptor sees."""
    return config.resolution or context.params.pretrain.crops.global_size


def work(context: Context, use: str) -> Work:
    """The run for one use of descriptors: pretraining with other images, fewer steps and perhaps another model.

    It sees as many images of the pool as its steps have room for.

    Raises:
        ConfigError: this use has another kind of descriptor.
        DataError: the pool has no images.
    """
    embed, pretrain = context.params.embed, context.params.pretrain
    config = {"copy": embed.copy_, "retrieval": embed.retrieval}[use]
    if not isinstance(config, BootstrapConfig):
        raise ConfigError(f"embed.{use}.kind: {config.kind!r}; wanted 'bootstrap'")
    changed = {
        "model": config.model or pretrain.model,
        "epoch_length": pretrain.epoch_length * config.share,
        "init_from": None,
    }
    training = TrainingConfig.model_validate(dict(pretrain) | changed)
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
    context = open_workspace()
    own = work(context, use)
    if learn(context, own) is not None:
        context.store.write_checked(f"descriptors/{own.digest}.safetensors", own.backbone.read_bytes())


if __name__ == "__main__":
    with exit_code_kept(), told_in_one_line():
        main(*sys.argv[1:])
