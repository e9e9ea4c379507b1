"""Removing what may turn out to be used after all."""

import shutil
import uuid
from pathlib import Path

from dinov2.errors import UserError
from dinov2.janitor.workspaces import used_by


def remove_folder(folder: Path) -> None:
    """Remove a folder that nobody uses, if it is there; its name is free at once.

    Raises:
        UserError: somebody is at work in it.
        OSError: it cannot be removed. What is left of it is found again by the name of a draft.
    """
    if user := used_by(folder):
        raise UserError(f"{folder}: {user} is at work in it now")
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    try:
        folder.rename(aside)
    except FileNotFoundError:
        return
    shutil.rmtree(aside)
