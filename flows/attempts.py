"""What a flow run has done in a clone already: its later attempts go on from there, and do not do it again.

var/attempts/STEP-ID    the flow run ID has done the step
"""

from pathlib import Path
from typing import Any

from prefect import runtime

from dinov2.config import read_yaml
from dinov2.stages.params import PARAMS

FOLDER = Path("var", "attempts")
BEGUN, SCANNED = "begun", "scanned"


def did(root: Path, step: str) -> bool:
    """Whether this flow run has done a step in the clone `root`, now or in an earlier attempt."""
    return _mark(root, step).exists()


def note(root: Path, step: str) -> None:
    """Note that it has."""
    path = _mark(root, step)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def params_before(root: Path) -> dict[str, Any] | None:
    """The params.yaml of the clone `root`, if an earlier attempt has begun it: a retry asks for no others."""
    return read_yaml(root / PARAMS) if did(root, BEGUN) else None


def _mark(root: Path, step: str) -> Path:
    return root / FOLDER / f"{step}-{runtime.flow_run.id}"
