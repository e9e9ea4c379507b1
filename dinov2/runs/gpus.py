"""How many GPUs a stage asks for, as its settings have it."""

from pathlib import Path

import torch

from dinov2.launch import shape
from dinov2.settings import Settings
from dinov2.stages.reach import TRAINING

APART = ("embed", "deduplicate", "evaluate")
TOGETHER = (*TRAINING, "retrieve")


def gpus_of(stage: str, settings: Settings, root: Path) -> int:
    """GPUs that the stage holds at a time; 0 for one that does not compute on them.

    Args:
        stage: its name in dvc.yaml; an item behind an @ makes no difference.
        settings: of the process that runs it.
        root: the workspace.

    Raises:
        ConfigError: the launcher's files are wrong, or there is no such device.
    """
    stage = stage.partition("@")[0]
    own = shape(stage, settings, root)
    if own.elsewhere:
        from dinov2.launch.kubernetes.config import load_jobs

        asked = load_jobs(root).of(stage)
        at_once = min(asked.parallelism or asked.indexes, asked.indexes) if asked.indexes > 1 else 0
        return max(asked.nodes * asked.gpus, at_once * min(1, asked.gpus))
    processes = own.processes if stage in TOGETHER else own.indexes if stage in APART else 0
    if not processes or settings.torch_device != "cuda":
        return 0
    return min(processes, torch.cuda.device_count())
