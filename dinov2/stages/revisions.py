"""Files as git revisions had them, outputs of stages included, such as curated manifests of other days."""

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
    return file_of(context, name, CURATED, draft)


def file_of(context: Context, revision: str, path: str, draft: Path) -> Path:
    """`draft`, which gets what the git revision has under `path`: of git, of DVC's cache or of its remote.

    Raises:
        DataError: there is no such revision, or DVC cannot find its file.
    """
    from dvc.api import DVCFileSystem  # takes seconds
    from dvc.exceptions import DvcException

    try:
        with DVCFileSystem(str(context.root), rev=revision).open(path, "rb") as found, draft.open("wb") as file:
            shutil.copyfileobj(found, file)
    except FileNotFoundError:
        raise DataError(
            f"{revision}: the revision has no {path}, "
            "or DVC's cache lacks it and `dvc fetch --all-commits` may bring it"
        ) from None
    except DvcException as error:
        raise DataError(f"{revision!r}: neither a file nor a revision of {context.root}: {error}") from None
    return draft
