"""The whole work of a stage as a job of one process, where the launcher has such jobs elsewhere.

The stage's file has `here(context, item)`, which does it, and `reads(item)` and `writes(item)`, which name its files.
"""

import sys
from importlib import import_module

import torch

from dinov2.errors import told_in_one_line
from dinov2.launch import Job, in_a_job, launch, shape
from dinov2.stages.context import Context, open_workspace
from dinov2.stages.job_inputs import inputs_of, key_by_inputs


def run_whole(context: Context, stage: str, item: str) -> None:
    """Have it done by a job elsewhere, or do it.

    Raises:
        UserError: the job said that its input or parameters are wrong.
        JobFailedError: it failed otherwise, or was told to stop.
    """
    if shape(stage, context.settings, context.root).elsewhere:
        launch(job_of(context, stage, item), context.settings, context.root)
    else:
        import_module(f"dinov2.stages.{stage}").here(context, item)


def job_of(context: Context, stage: str, item: str) -> Job:
    """The job that does it."""
    own = import_module(f"dinov2.stages.{stage}")
    inputs, outputs = inputs_of(context, stage, own.reads(item)), tuple(map(context.path, own.writes(item)))
    key, module = key_by_inputs(context, inputs, stage, item), "dinov2.stages.whole_job"
    return Job(f"{stage} {item}", module, (stage, item), inputs, outputs, stage=stage, key=key)


def main(stage: str, item: str) -> None:
    """What the job's process executes."""
    context = open_workspace(checked=False)
    torch.set_num_threads(context.settings.threads_each)
    import_module(f"dinov2.stages.{stage}").here(context, item)


if __name__ == "__main__":
    with in_a_job(), told_in_one_line():
        main(*sys.argv[1:])
