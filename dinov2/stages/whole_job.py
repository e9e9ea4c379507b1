"""The whole work of a stage as a job of one process, where the launcher has such jobs elsewhere.

The stage's file has `here(context, item)`, which does it, and `reads(item)` and `writes(item)`, which name its files;
and `share(context, item, index, indexes)`, what the indexes of a job do ahead of it and leave in the store.
"""

import sys
from importlib import import_module

import torch

from dinov2.errors import told_in_one_line
from dinov2.launch import Job, in_a_job, launch, own_index, shape
from dinov2.stages.context import Context, open_workspace
from dinov2.stages.job_inputs import inputs_of, key_by_inputs

MODULE = "dinov2.stages.whole_job"
SHARE = "share"
"""Third argument of this module where it does a share."""


def run_whole(context: Context, stage: str, item: str) -> None:
    """Have it done by a job elsewhere, or do it; if there are several indexes, what they can share out goes ahead.

    Raises:
        UserError: the job said that its input or parameters are wrong.
        JobFailedError: it failed otherwise, or was told to stop.
    """
    own = shape(stage, context.settings, context.root)
    if own.indexes > 1:
        launch(shares_of(context, stage, item, own.indexes), context.settings, context.root)
    if own.elsewhere:
        launch(job_of(context, stage, item), context.settings, context.root)
    else:
        import_module(f"dinov2.stages.{stage}").here(context, item)


def job_of(context: Context, stage: str, item: str) -> Job:
    """The job that does it."""
    own = import_module(f"dinov2.stages.{stage}")
    inputs, outputs = inputs_of(context, stage, own.reads(item)), tuple(map(context.path, own.writes(item)))
    key = key_by_inputs(context, inputs, stage, item)
    return Job(f"{stage} {item}", MODULE, (stage, item), inputs, outputs, stage=stage, key=key)


def shares_of(context: Context, stage: str, item: str, indexes: int) -> Job:
    """The job that goes ahead of it."""
    inputs = inputs_of(context, stage, import_module(f"dinov2.stages.{stage}").reads(item))
    key = key_by_inputs(context, inputs, stage, item, SHARE, str(indexes))
    return Job(f"{stage} {item} ahead", MODULE, (stage, item, SHARE), inputs, (), indexes, stage, key)


def main(stage: str, item: str, way: str = "") -> None:
    """What the job's process executes."""
    context = open_workspace(checked=False)
    torch.set_num_threads(context.settings.threads_each)
    own = import_module(f"dinov2.stages.{stage}")
    if way != SHARE:
        own.here(context, item)
        return
    index, indexes = own_index()
    if context.device.type == "cuda":
        torch.cuda.set_device(index % torch.cuda.device_count())
    own.share(context, item, index, indexes)


if __name__ == "__main__":
    with in_a_job(), told_in_one_line():
        main(*sys.argv[1:])
