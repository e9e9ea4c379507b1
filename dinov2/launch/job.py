"""What a launcher runs: files in, files out, one command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

EXIT_CODES = "DINOV2_EXIT_CODES"
"""Environment variable with the folder where a worker leaves the code that it ends with."""
INDEX, INDEXES = "DINOV2_INDEX", "DINOV2_INDEXES"
"""Environment variables that tell a process of a job with several indexes which one it is, from 0, and of how many."""


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
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    indexes: int = 1


def own_index() -> tuple[int, int]:
    """Which index of its job this process is, from 0, and of how many."""
    return int(os.environ.get(INDEX, "0")), int(os.environ.get(INDEXES, "1"))


@contextmanager
def exit_code_kept() -> Iterator[None]:
    """Leave the exit code of a `SystemExit` of the block where the launcher finds it: torchrun makes it 1."""
    try:
        yield
    except SystemExit as end:
        folder = os.environ.get(EXIT_CODES)
        if folder and isinstance(end.code, int) and end.code:
            (Path(folder) / str(os.getpid())).write_text(str(end.code))
        raise
