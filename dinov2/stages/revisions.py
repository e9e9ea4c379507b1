"""Curated manifests of other days: files, or what git revisions had."""

import shutil
from pathlib import Path

from dinov2.errors import DataError
from dinov2.stages.context import Context
from dinov2.stages.files import CURATED


def curated_of(context: Context, name: str, draft: Path) -> Path:
    """The file of this name, or else `draft`, which gets the curated manifest of the git revision of this name.

    Raises:
        DataError: there is neither, or DVC cannot find the revision's manifest.
    """
    if context.path(name).is_file():
        return context.path(name)
    if name.endswith(".parquet"):
        raise DataError(f"{name}: no such file")
    from dvc.api import DVCFileSystem  # takes seconds
    from dvc.exceptions import DvcException

    try:
        with DVCFileSystem(str(context.root), rev=name).open(CURATED, "rb") as found, draft.open("wb") as file:
            shutil.copyfileobj(found, file)
    except FileNotFoundError:
        raise DataError(
            f"{name}: the revision has no {CURATED}, or DVC's cache lacks it and `dvc fetch --all-commits` may bring it"
        ) from None
    except DvcException as error:
        raise DataError(f"{name!r}: neither a file nor a revision of {context.root}: {error}") from None
    return draft
