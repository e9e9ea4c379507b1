"""Names of runs: each is a branch `runs/NAME` and a folder `var/runs/NAME`, and never reaches a shell."""

import re
from datetime import UTC, datetime

from dinov2.errors import ConfigError
from dinov2.settings import RUNS

NAME = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""What a run may be called."""
BRANCHES = "runs"
FOLDER = RUNS


def checked(name: str) -> str:
    """`name`, if a run may be called so.

    Raises:
        ConfigError: it may not.
    """
    if not re.fullmatch(NAME, name):
        raise ConfigError(
            f"name of a run: {name[:100]!r}: allowed are 1 to 63 lower-case letters, digits and hyphens, "
            "no hyphen at either end"
        )
    return name


def branch(name: str) -> str:
    """The branch that records the run."""
    return f"{BRANCHES}/{name}"


def by_clock() -> str:
    """A name for a run that nobody has named: the time, UTC."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
