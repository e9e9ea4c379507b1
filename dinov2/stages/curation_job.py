"""Stages of curation shared out: jobs that fill the store ahead of the stage itself."""

import sys
from importlib import import_module

import torch

from dinov2.errors import told_in_one_line
from dinov2.launch import Job, exit_code_kept, launch, own_index
from dinov2.stages import files
from dinov2.stages.context import Context, open_workspace
from dinov2.training.sharding import global_rank, process_group

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
    """Have the indexes of a job fill the store, if the settings want several; what they leave is up to the stage.

    Raises:
        UserError: an index said that its input or parameters are wrong.
        JobFailedError: an index failed otherwise, more than twice, or was told to stop.
    """
    if context.settings.jobs > 1:
        inputs = tuple(context.path(name) for name in STEPS[step])
        job = Job(step, "dinov2.stages.curation_job", (step,), inputs, (), indexes=context.settings.jobs)
        launch(job, context.settings, context.root)


def all_together(context: Context, step: str) -> None:
    """Do what processes can only do together: in as many as the settings want, or in this one alone.

    Raises:
        UserError: a process said that its input or parameters are wrong.
        JobFailedError: a process failed otherwise, or was told to stop.
    """
    if context.settings.processes > 1:
        inputs = tuple(context.path(name) for name in STEPS[step])
        launch(Job(step, "dinov2.stages.curation_job", (step, TOGETHER), inputs, ()), context.settings, context.root)
    else:
        import_module(f"dinov2.stages.{step}").together(context)


def main(step: str, way: str = "") -> None:
    """Do the share of this process; several GPUs are dealt out among the processes."""
    context, (index, indexes) = open_workspace(), own_index()
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
    with exit_code_kept(), told_in_one_line():
        main(*sys.argv[1:])
