"""`dinov2 plan`: what `dvc repro` would run, why, where, and for how long. It makes nothing and asks no cluster."""

import json
import sys
from collections.abc import Sequence

from rich.console import Console

from dinov2.errors import ConfigError
from dinov2.stages.context import Context
from dinov2.stages.plan.export import as_json, manifests, write_manifests
from dinov2.stages.plan.forecast import forecast
from dinov2.stages.plan.show import table

WIDTH = 160
"""Of what is not printed on a terminal."""


def plan(context: Context, targets: Sequence[str], to: str | None, as_data: bool) -> None:
    """Print what would be done.

    Args:
        context: the workspace.
        targets: stages, with all that they need; none means every stage.
        to: where manifests are written instead of the table: a new folder, or "-" for standard output.
        as_data: print JSON instead of the table.

    Raises:
        UserError: as `forecast`; or manifests are asked for where no job would be on a cluster.
        UnreachableError: the store does not answer.
    """
    if to is not None and context.settings.launcher == "local":
        raise ConfigError("--manifests: DINOV2_LAUNCHER: 'local' has none; wanted: kubernetes")
    folder = context.root / (to or "")
    if to not in (None, "-") and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        # What is there might be taken for a part of this plan.
        raise ConfigError(f"--manifests: {str(folder)!r}: there is something there; give an empty or a new folder")
    found = forecast(context, targets)
    if to == "-":
        print(manifests(found), end="")
    elif to is not None:
        for path in write_manifests(found, folder):
            print(path)
    elif as_data:
        print(json.dumps(as_json(found), indent=2, ensure_ascii=False))
    else:
        width = None if sys.stdout.isatty() else WIDTH
        table(found, Console(width=width, markup=False, emoji=False, highlight=False))
