"""What jobs took, for whoever adds it up: lines in a file that an environment variable names."""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

TAKEN = "DINOV2_TAKEN"
"""Environment variable with the file; without it nothing is noted."""


class Taken(BaseModel):
    """What one job, or one attempt at a stage, took.

    Attributes:
        stage: of dvc.yaml.
        job: its name on the cluster; empty for processes of this machine.
        seconds: by the clock.
        gpu_seconds: of all its GPUs; None where that is not known.
    """

    model_config = ConfigDict(frozen=True)

    stage: str
    job: str = ""
    seconds: float
    gpu_seconds: float | None


def of_pods(stage: str, job: str, facts: Iterable[Mapping[str, Any]]) -> Taken:
    """What a job took whose pods left these facts; those of its pods that were replaced left none."""
    known = list(facts)
    return Taken(
        stage=stage,
        job=job,
        seconds=max((fact["seconds"] for fact in known), default=0.0),
        gpu_seconds=sum(fact["seconds"] * fact["nodes"] * fact["gpus"] for fact in known),
    )


def note(taken: Taken, path: str | None = None) -> None:
    """Add a line to the file, `path` or what the environment names; a disk that is full is no reason to fail."""
    path = path or os.environ.get(TAKEN)
    if not path:
        return
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(taken.model_dump_json() + "\n")
    except OSError as error:
        print(f"{TAKEN}: {path}: {error.strerror}; going on without it", file=sys.stderr, flush=True)


def read(path: Path) -> list[Taken]:
    """All that was noted, oldest first; a line that a full disk has cut is said to be left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(Taken.model_validate_json(line))
        except ValidationError:
            print(f"{path}: not understood: {line[:200]}", file=sys.stderr, flush=True)
    return found
