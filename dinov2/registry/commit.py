"""The commit that the workspace is at."""

import subprocess
from pathlib import Path


def current_commit(root: Path) -> str:
    """The hash of `root`'s commit, with `-dirty` behind it when tracked files differ; or in words why there is none."""
    try:
        found = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", "HEAD"], capture_output=True, text=True
        )
    except FileNotFoundError:
        return "none: git is not installed"
    if found.returncode == 0:
        changed = subprocess.run(["git", "-C", str(root), "diff", "--quiet", "HEAD"], capture_output=True).returncode
        return found.stdout.strip() + ("-dirty" if changed else "")
    return f"none: {found.stderr.strip() or 'nothing is committed yet'}"
