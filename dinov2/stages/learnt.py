"""What descriptors learn from the pool: its images, and the files that they leave in the store."""

from pathlib import Path

import pyarrow as pa

from dinov2.data.manifest import SCHEMA
from dinov2.data.tables import database
from dinov2.errors import DataError
from dinov2.launch import Job, launch
from dinov2.stages.context import Context
from dinov2.stages.files import MANIFEST
from dinov2.storage import atomic_path

FOLDER = "weights"
"""Of the scratch folder, for files of weights that are fetched from elsewhere."""
TABLES_GIB = 2.0

POOL = """
SELECT {columns} FROM (SELECT DISTINCT ON (sha256) * FROM manifest WHERE role = 'pool' ORDER BY sha256, key)
ORDER BY sha256 LIMIT {limit}
"""


def pool(context: Context, limit: int) -> pa.Table:
    """Rows of at most `limit` different images of the pool, those that come first by sha256: a random sample.

    Neither the order of the manifest nor the names of the images change it.

    Raises:
        DataError: the pool has no images.
    """
    with database(context.scratch, TABLES_GIB, context.settings.threads_each) as connection:
        connection.read_parquet(str(context.made(MANIFEST))).create_view("manifest")
        rows = connection.sql(POOL.format(columns=", ".join(SCHEMA.names), limit=limit)).to_arrow_table()
    if not rows.num_rows:
        raise DataError(f"{MANIFEST}: no image has the role pool, which descriptors learn from")
    return rows.cast(SCHEMA)


def local_path(context: Context, name: str) -> Path:
    """Where this machine has the weights of this name."""
    return context.scratch / FOLDER / f"{name}.safetensors"


def to_file(context: Context, name: str) -> Path | None:
    """A local file of the descriptor of this name, whole and as the store has it; None if it has none."""
    data, path = context.store.read_checked(f"descriptors/{name}.safetensors"), local_path(context, name)
    if data is None:
        return None
    with atomic_path(path) as draft:
        draft.write_bytes(data)
    return path


def launch_learning(context: Context, job: Job) -> None:
    """Have a job learn what the store does not have, though it may once have had it.

    Raises:
        UserError: the job said that its input or parameters are wrong.
        JobFailedError: it failed otherwise, or was told to stop.
    """
    launch(job, context.settings.model_copy(update={"rerun": True, "rerun_for": ""}), context.root)
