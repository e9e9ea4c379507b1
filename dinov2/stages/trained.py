"""The descriptor `trained`: it learns from the pool what tells copies apart, in a job where embed's are elsewhere."""

import sys
from pathlib import Path

from dinov2.curation.config import TrainedConfig
from dinov2.curation.descriptors.trained.fitted import fitted, fitted_name
from dinov2.data.stream import Row
from dinov2.errors import ConfigError, told_in_one_line
from dinov2.launch import Job, in_a_job, shape
from dinov2.stages.context import Context, open_workspace
from dinov2.stages.files import MANIFEST
from dinov2.stages.given import use_of
from dinov2.stages.job_inputs import inputs_of, key_of
from dinov2.stages.learnt import launch_learning, pool, to_file

NAME = "trained"


def trained(context: Context, config: TrainedConfig) -> Path:
    """A local file of the descriptor; it learns first if the store has none.

    Raises:
        DataError: there is nothing to learn from.
        JobFailedError: the job that was to learn failed; called again it goes on.
    """
    name = name_of(context, config)
    if found := to_file(context, name):
        return found
    if shape("embed", context.settings, context.root).elsewhere:
        launch_learning(context, job_of(context, config, name))
    else:
        _learn(context, config)
    found = to_file(context, name)
    assert found, "it was put into the store"
    return found


def name_of(context: Context, config: TrainedConfig) -> str:
    """What the store has it under."""
    return fitted_name(config, _rows(context, config), context.params.seed)


def job_of(context: Context, config: TrainedConfig, name: str) -> Job:
    """The job that learns."""
    inputs, use = inputs_of(context, "embed", (MANIFEST,)), use_of(context, config)
    return Job(NAME, "dinov2.stages.trained", (use,), inputs, (), stage="embed", key=key_of(context, name))


def _rows(context: Context, config: TrainedConfig) -> list[Row]:
    """It sees each image at most once: as many as its steps have room for."""
    return pool(context, config.steps * config.batch_size).to_pylist()


def _learn(context: Context, config: TrainedConfig) -> None:
    seed, threads = context.params.seed, context.settings.threads_each
    fitted(config, _rows(context, config), context.reader, context.store, seed, threads, context.device)


def main(use: str) -> None:
    """What the job's process executes."""
    context = open_workspace(checked=False)
    config = {"copy": context.params.embed.copy_, "retrieval": context.params.embed.retrieval}[use]
    if not isinstance(config, TrainedConfig):
        raise ConfigError(f"embed.{use}.kind: {config.kind!r}; wanted 'trained'")
    _learn(context, config)


if __name__ == "__main__":
    with in_a_job(), told_in_one_line():
        main(*sys.argv[1:])
