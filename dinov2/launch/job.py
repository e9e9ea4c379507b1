"""What a launcher runs: files in, files out, one command."""

import os
from dataclasses import dataclass
from pathlib import Path

FAILURES = "DINOV2_FAILURES"
"""Environment variable with the folder where a process leaves how it ended, if that was badly."""
INDEX, INDEXES = "DINOV2_INDEX", "DINOV2_INDEXES"
"""Environment variables that tell a process of a job with several indexes which one it is, from 0, and of how many."""
CODE = "DINOV2_CODE"
"""Environment variable that tells a pod which code its launcher has."""
NODES, RENDEZVOUS = "DINOV2_NODES", "DINOV2_RENDEZVOUS"
"""Environment variables with the number of machines that work together, and HOST:PORT where they meet."""
PATIENCE = "DINOV2_RENDEZVOUS_SECONDS"
"""Environment variable with how long these machines wait for one another."""
PATIENCE_S = 900.0
"""How long they do if it is not set: images may have to be pulled."""


@dataclass(frozen=True)
class Job:
    """A command with the files it reads and writes.

    Attributes:
        name: for people, a stage's name.
        module: Python module that every process runs.
        arguments: of the module.
        inputs: files in the workspace that it reads.
        outputs: files in the workspace that it writes.
        indexes: parts that need nothing of each other, each a process of its own that may be run again alone; with 1
            the processes of the job belong together instead, and fail together.
        stage: its section of k8s/jobs.yaml; the name if empty.
        key: hex digest of everything that decides what it does: two jobs of one key are one job.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    indexes: int = 1
    stage: str = ""
    key: str = ""


def own_index() -> tuple[int, int]:
    """Which index of its job this process is, from 0, and of how many; of processes that work together, which one."""
    index, indexes = (os.environ.get(name) for name in (INDEX, INDEXES))
    if index is None or indexes is None:
        index, indexes = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    return int(index), int(indexes)
