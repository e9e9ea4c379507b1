"""A run, and where its commands find what they share with the workspace."""

import os
from dataclasses import dataclass
from pathlib import Path

from dinov2.registry.client import artifacts_uri, tracking_uri
from dinov2.settings import Settings


@dataclass(frozen=True)
class Run:
    """A workspace that a run happens in.

    Attributes:
        name: of the run.
        root: where it happens: `var/runs/NAME` of the origin, or the origin itself.
        origin: the workspace that the run is of.
    """

    name: str
    root: Path
    origin: Path


def environment(run: Run, settings: Settings) -> dict[str, str]:
    """Variables for commands in the run's workspace: the places that the settings name, as the origin has them.

    Scratch is the run's own, since runs may happen at the same time, and so is the code.
    """

    def place(url: str) -> str:
        # For jobs on a cluster a relative place is a mistake, which they tell as it was made.
        return url if "://" in url or settings.launcher == "kubernetes" else str(run.origin / url)

    found = {
        "DINOV2_STORE": place(settings.store),
        "DINOV2_TRACKING": tracking_uri(settings, run.origin),
        "DINOV2_ARTIFACTS": artifacts_uri(settings, run.origin),
    }
    if settings.checkpoints:
        found["DINOV2_CHECKPOINTS"] = place(settings.checkpoints)
    if run.root == run.origin:
        return found
    own = Path(settings.scratch) / run.name if Path(settings.scratch).is_absolute() else run.root / settings.scratch
    before = os.environ.get("PYTHONPATH")
    code = {"PYTHONPATH": os.pathsep.join([str(run.root), *([before] if before else [])])}
    return found | {"DINOV2_SCRATCH": str(own)} | (code if (run.root / "dinov2").is_dir() else {})
