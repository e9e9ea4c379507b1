"""Stages of curation shared out: jobs that fill the store ahead of the stage itself."""

import sys
from importlib import import_module

import torch

from dinov2.errors import told_in_one_line
from dinov2.launch import Job, in_a_job, launch, own_index, shape
from dinov2.stages import files
from dinov2.stages.context import Context, open_workspace
from dinov2.stages.job_inputs import inputs_of, key_by_inputs
from dinov2.training.sharding import global_rank, process_group

MODULE = "dinov2.stages.curation_job"
STEPS: dict[str, tuple[str, ...]] = {
    "ingest": (),
    "embed": (files.MANIFEST,),
    "deduplicate": (files.MANIFEST, files.EMBEDDINGS),
    "retrieve": (files.UNIQUE, files.EMBEDDINGS),
    "pack": (files.CURATED,),
}
"""Stages that have a function `fill(context, index, indexes)`, which does a share, and the files that it reads. Those
whose processes also work together on something have `together(context)`."""

TOGETHER = "together"
"""Second argument of this module where torchrun starts it."""


def in_advance(context: Context, step: str) -> None:
    """Have the indexes of a job fill the store, if they are several or elsewhere; what they leave is up to the stage.

    Raises:
        UserError: an index said that its input or parameters are wrong.
        JobFailedError: an index failed otherwise, more than twice, or was told to stop.
    """
    own = shape(step, context.settings, context.root)
    if own.elsewhere or own.indexes > 1:
        launch(job_of(context, step, indexes=own.indexes), context.settings, context.root)


def all_together(context: Context, step: str) -> None:
    """Do what processes can only do together: in a job of several or elsewhere, or in this one alone.

    Raises:
        UserError: a process said that its input or parameters are wrong.
        JobFailedError: a process failed otherwise, or was told to stop.
    """
    own = shape(step, context.settings, context.root)
    if own.elsewhere or own.processes > 1:
        launch(job_of(context, step, TOGETHER), context.settings, context.root)
    else:
        import_module(f"dinov2.stages.{step}").together(context)


def job_of(context: Context, step: str, *way: str, indexes: int = 1) -> Job:
    """The job of a step; with one index its processes, if there are several, share out the work by their ranks."""
    inputs = inputs_of(context, step, STEPS[step])
    key = key_by_inputs(context, inputs, step, *way, str(indexes))
    return Job(step, MODULE, (step, *way), inputs, (), indexes=indexes, stage=step, key=key)


def main(step: str, way: str = "") -> None:
    """Do the share of this process; several GPUs are dealt out among the processes."""
    context, (index, indexes) = open_workspace(checked=False), own_index()
    torch.set_num_threads(context.settings.threads_each)
    if context.device.type == "cuda":
        torch.cuda.set_device((global_rank() if way == TOGETHER else index) % torch.cuda.device_count())
    stage = import_module(f"dinov2.stages.{step}")
    if way == TOGETHER:
        with process_group(context.device):
            stage.together(context)
    else:
        stage.fill(context, index, indexes)


if __name__ == "__main__":
    with in_a_job(), told_in_one_line():
        main(*sys.argv[1:])
