"""Every file of every source to a manifest of usable images and a list of rejects.

A source is listed into a local file; what its files were found to be before comes from the store; the others are looked
at; DuckDB puts both together, and compares all images with each other where a filter asks for it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from dinov2.data import counts
from dinov2.data.config import IngestConfig
from dinov2.data.filters import Filter, create_filters
from dinov2.data.intake import Intake
from dinov2.data.manifest import REJECTS, SCHEMA
from dinov2.data.tables import database, stream, temporary_folder, write_stream
from dinov2.storage import Store

THREADS = 16
"""More than cores: most of the time they wait for a disk or a network."""


def ingest(
    config: IngestConfig,
    store: Store,
    root: Path,
    scratch: Path,
    manifest: Path,
    rejects: Path,
    threads: int = THREADS,
) -> dict[str, Any]:
    """Look at every file of every source, as far as that was not done before.

    Files are read and judged by `threads` threads, a bounded number at a time; the outcome depends neither on how many
    there are, nor on the order in which a file system lists its files, nor on what was known before. Copies of the same
    bytes all stay in, unless a filter takes them out. No table is held in memory.

    Args:
        config: the sources and what counts as usable.
        store: holds the built-in sample, what is downloaded, blurred copies, and what files were found to be.
        root: the workspace, which relative paths start from.
        scratch: a local folder for tables on their way.
        manifest: is written, rows of type `manifest.SCHEMA` sorted by key, in the order of UTF-8 bytes.
        rejects: is written, rows of type `manifest.REJECTS` sorted by key.
        threads: how many.

    Returns:
        Counts, over all, by source and by filter.

    Raises:
        DataError: a source does not exist, or holds no usable image.
        ConfigError: a file that a filter needs is not there, or is not what it should be.
    """
    with _intake(config, store, root, scratch, threads) as intake:
        tables, files = intake.tables, []
        for source in config.sources:
            intake.look(source)
            intake.judge(source)
            files.append(str(intake.folder / f"{source.name}.rows"))
            tables.sql("SELECT * FROM judged").write_parquet(files[-1])
        tables.read_parquet(files).create_view("rows")
        _compare(tables, intake.filters)
        write_stream(manifest, stream(tables, "SELECT * FROM images ORDER BY key"), SCHEMA)
        write_stream(rejects, stream(tables, "SELECT * FROM rejects ORDER BY key, uri, reason, detail"), REJECTS)
        return counts.metrics(tables, [source.name for source in config.sources], list(intake.filters))


def fill(
    config: IngestConfig, store: Store, root: Path, scratch: Path, index: int, indexes: int, threads: int = THREADS
) -> None:
    """Look at the share that one of the `indexes` of a job has of the files; what they are found to be is kept.

    Raises:
        DataError: a source does not exist.
        ConfigError: a file that a filter needs is not there, or is not what it should be.
    """
    with _intake(config, store, root, scratch, threads) as intake:
        for source in config.sources:
            intake.look(source, index, indexes)


@contextmanager
def _intake(config: IngestConfig, store: Store, root: Path, scratch: Path, threads: int) -> Iterator[Intake]:
    filters = create_filters(config.filters, root, store)
    with (
        temporary_folder(scratch, "ingest-") as folder,
        database(scratch, config.memory_gib, len(os.sched_getaffinity(0))) as tables,
    ):
        yield Intake(config, filters, store, root, folder, tables, threads)


def _compare(tables: duckdb.DuckDBPyConnection, filters: dict[str, Filter]) -> None:
    """Make the views `images` and `rejects`, once filters that compare all images have had their say, in order."""
    tables.execute("CREATE TABLE dropped (key VARCHAR, reason VARCHAR, detail VARCHAR)")
    tables.execute("CREATE VIEW images AS SELECT * FROM rows ANTI JOIN dropped USING (key) WHERE rows.reason IS NULL")
    for kind, own in filters.items():
        if query := own.among_all(tables):
            tables.execute(f"INSERT INTO dropped SELECT key, '{kind}', detail FROM ({query})")
    tables.execute("""
        CREATE VIEW rejects AS
        SELECT key, uri, source, reason, detail FROM rows WHERE reason IS NOT NULL UNION ALL
        SELECT key, rows.uri, rows.source, dropped.reason, dropped.detail FROM dropped JOIN rows USING (key)
        WHERE rows.reason IS NULL
    """)
