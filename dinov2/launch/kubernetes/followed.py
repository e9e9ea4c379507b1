"""Which Jobs a process of this workspace follows, for whoever would remove one; over when the process is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinov2.data.tables import LOCK, OURS, abandoned, temporary_folder
from dinov2.settings import origin_of

FOLDER = Path("var", "followed")
"""Of a workspace, for what the clones of its runs follow too."""


@contextmanager
def following(name: str, root: Path) -> Iterator[None]:
    """Let the Job of this name count as followed while the block runs."""
    with temporary_folder(origin_of(root) / FOLDER, f"{name}-"):
        yield


def is_followed(name: str, root: Path) -> bool:
    """Whether a process follows the Job of this name for the workspace, on this machine."""
    return not all(abandoned(lock) for lock in (origin_of(root) / FOLDER).glob(f"{OURS}{name}-*/{LOCK}"))
