"""One source: its files are listed, what is unknown of them is looked at, and each is judged."""

import math
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.examine import VERSION
from dinov2.data.filters import Filter
from dinov2.data.labels import told_by_folders
from dinov2.data.look import look_at
from dinov2.data.looked import Looked
from dinov2.data.places import listing
from dinov2.data.sources import open_source
from dinov2.data.spool import spool
from dinov2.errors import DataError
from dinov2.storage import Store, digest


@dataclass(frozen=True)
class Intake:
    """What taking in needs, whatever the source.

    Args:
        config: bounds.
        filters: by kind, in their order.
        store: holds what files were found to be.
        root: the workspace.
        folder: for local files.
        tables: of DuckDB.
        threads: that read and judge.
    """

    config: IngestConfig
    filters: dict[str, Filter]
    store: Store
    root: Path
    folder: Path
    tables: duckdb.DuckDBPyConnection
    threads: int

    def look(self, source: SourceConfig, index: int = 0, indexes: int = 1) -> None:
        """Make the view `named` of all entries of a source, and `looked` of what is known of them then.

        One of several `indexes` looks at its share of the unknown files alone.

        Raises:
            DataError: the source does not exist.
        """
        opened, own = open_source(source, self.store, self.root), self.filters.values()
        with listing(source.name, source.uri):
            spool(source.name, opened.entries(), own, self.folder / "entries")
        self.tables.read_parquet(str(self.folder / "entries")).create_view("entries", replace=True)
        _name(self.tables, source, opened.wrapped, self.folder / "named")
        looking = [each.identity for each in own if each.looks]
        kept = Looked(self.store, digest(VERSION, source.uri, self.config.min_side, self.config.max_pixels, looking))
        look_at(
            source.name, self.tables, opened.read, self.config, own, kept, self.folder, self.threads, index, indexes
        )

    def judge(self, source: SourceConfig) -> None:
        """Make the view `judged` of all entries of a source that was looked at.

        Raises:
            DataError: none of them is usable.
        """
        self.tables.execute("""
            CREATE OR REPLACE VIEW judged AS
            SELECT named.* EXCLUDE (uri, reason, detail), coalesce(stored, named.uri) AS uri,
                coalesce(named.reason, looked.reason) AS reason, coalesce(named.detail, looked.detail) AS detail,
                sha256, width, height, bytes, hash, faces
            FROM named LEFT JOIN looked USING (uri, size, version)
        """)
        seen = dict(
            self.tables.execute("SELECT coalesce(reason, ''), count(*) FROM judged GROUP BY 1 ORDER BY 1").fetchall()
        )
        if not seen.pop("", 0):
            why = ", ".join(f"{count} {reason}" for reason, count in seen.items())
            raise DataError(
                f"source {source.name}: {source.uri}: no usable image; {sum(seen.values())} files were seen"
                + (f", rejected as: {why}" if why else "")
            )


def _name(tables: duckdb.DuckDBPyConnection, source: SourceConfig, wrapped: bool, path: Path) -> None:
    """Make the table `named`: entries with label, split and role; of those that share a key the first counts.

    A labelled image is held out with the source's probability, by its key: adding others never moves it.
    """
    told = told_by_folders(tables, "entries", wrapped)
    below = f"{math.ceil(source.held_out * 2**64):016x}"
    tables.sql(f"""
        WITH told AS (
            SELECT *, {told.label} AS class, {told.split} AS given,
                row_number() OVER (PARTITION BY key ORDER BY path, uri, size, version, label) > 1 AS repeated
            FROM entries
        ), parted AS (
            SELECT *, coalesce(given, CASE
                WHEN class IS NOT NULL AND substr(sha256(key), 1, 16) < '{below}' THEN 'test' ELSE 'train' END) AS split
            FROM told
        )
        SELECT key, uri, size, version, '{source.name}' AS source, class AS label, split,
            CASE WHEN split = 'test' THEN 'evaluation' ELSE '{source.role}' END AS role,
            CASE WHEN repeated THEN 'duplicate name' ELSE reason END AS reason,
            CASE WHEN repeated THEN 'another file of this name comes before it' ELSE detail END AS detail
        FROM parted
    """).write_parquet(str(path))
    tables.read_parquet(str(path)).create_view("named", replace=True)
