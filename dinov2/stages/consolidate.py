"""The command `dinov2 consolidate`: one file of weights out of a run's checkpoint, while it lasts or after it ended."""

from dataclasses import replace
from pathlib import Path

import torch

from dinov2.errors import ConfigError, DataError
from dinov2.stages.context import Context
from dinov2.stages.training_job import place_of, work_of
from dinov2.training.checkpoints import complete
from dinov2.training.execution import Execution
from dinov2.training.loop import open_run
from dinov2.training.sharding import process_group
from dinov2.training.trainee import export

CPU = torch.device("cpu")


def consolidate(context: Context, run: str, step: int | None, folder: str) -> tuple[Path, Path]:
    """Write RUN-STEP.safetensors, the average's backbone, and RUN-STEP.training.safetensors, all networks with heads.

    Args:
        context: the workspace, with the parameters that the run was started with.
        run: pretrain, highres or a student.
        step: of a checkpoint; None takes the newest.
        folder: where the files go.

    Returns:
        The two files.

    Raises:
        ConfigError: there is no such run, or no such checkpoint of it.
        DataError: it is damaged.
    """
    work = work_of(context, *((run,) if run in ("pretrain", "highres") else ("distill", run)))
    place = replace(place_of(context, CPU), execution=Execution())
    steps = complete(place.store, work.digest)
    if not steps or step not in (None, *steps):
        found = f"there are those of steps {', '.join(map(str, steps))}" if steps else "there is none"
        asked = "no checkpoint" if step is None else f"no checkpoint of step {step}"
        raise ConfigError(f"{run}: {asked} of a run with these parameters and images; {found}")
    with process_group(CPU) as mesh:
        try:
            found_run = open_run(work, place, mesh, step)
        except DataError:
            if complete(place.store, work.digest) == steps:
                raise
            raise DataError(f"{run}: its checkpoints were replaced by newer ones meanwhile; try again") from None
        stem = f"{run}-{found_run.done:08}"
        backbone, training = (context.path(folder) / f"{stem}{kind}.safetensors" for kind in ("", ".training"))
        export(found_run.trainee, work.config, backbone, training, rank=0)
    print(f"{backbone}\n{training}")
    return backbone, training
