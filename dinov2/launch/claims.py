"""Whose it is what lies in a store: several workspaces may share one, and a cluster.

FOLDER/claims/OWNER     of a folder in the store: the workspace of that identity works with what is there, or has

A Job belongs to whoever has a claim to its folder: the name of its owner on it would be that of the first alone.
"""

import os
import platform
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dinov2.settings import origin_of
from dinov2.storage import Store

CLAIMS = "claims"
OWNER = Path("var", "owner")
"""A workspace's identity; the clones of its runs have the same."""


def owner_of(root: Path) -> str:
    """The identity of a workspace, 32 hexadecimal digits; empty as long as it has claimed nothing."""
    path = origin_of(root) / OWNER
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def claim(store: Store, folder: str, root: Path) -> None:
    """Note in a folder of a store that the workspace of `root` works with it; again, that it still does."""
    where = f"{platform.node()}:{origin_of(root)}\n"  # for people who want to know whom to ask
    store.write(f"{folder}/{CLAIMS}/{_identity(origin_of(root))}", where.encode())


def claimants(names: Iterable[str], folder: str) -> set[str]:
    """The workspaces that have a claim to a folder of a store, by the names of its blobs."""
    start = f"{folder}/{CLAIMS}/"
    return {name.removeprefix(start) for name in names if name.startswith(start)}


def _identity(origin: Path) -> str:
    """The identity of a workspace, which it is given if it has none; all processes agree on it."""
    path = origin / OWNER
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        draft.write_text(uuid.uuid4().hex, encoding="utf-8")
        with suppress(FileExistsError):  # another process was first
            os.link(draft, path)
        draft.unlink()
    return owner_of(origin)
