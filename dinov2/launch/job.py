"""What a launcher runs: files in, files out, one command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

EXIT_CODES = "DINOV2_EXIT_CODES"
"""Environment variable with the folder where a worker leaves the code that it ends with."""


@dataclass(frozen=True)
class Job:
    """A command with the files it reads and writes.

    Attributes:
        name: for people, a stage's name.
        module: Python module that every process runs.
        arguments: of the module.
        inputs: files in the workspace that it reads.
        outputs: files in the workspace that it writes.
    """

    name: str
    module: str
    arguments: tuple[str, ...]
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]


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
