"""What a launcher runs: files in, files out, one command."""

from dataclasses import dataclass
from pathlib import Path


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
