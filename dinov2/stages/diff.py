"""The command `dinov2 diff`: what changed from one curated manifest to another, as tables and a picture."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from dinov2.curation.catalogue import create_catalogue
from dinov2.curation.diff import CHANGES, Count, Drift, compare, counts, descriptors, draw, measure, rows
from dinov2.curation.shards import read_shard, shard_names
from dinov2.curation.spool import spool
from dinov2.data.tables import database, stream, temporary_folder, write_stream
from dinov2.errors import DataError
from dinov2.stages.context import Context
from dinov2.stages.described import embedding, leave
from dinov2.stages.files import CURATED, EMBEDDINGS
from dinov2.stages.revisions import curated_of
from dinov2.storage import write_json, write_text

TABLES_GIB = 2.0
IMAGES = pa.schema([("key", pa.string()), ("sha256", pa.string())])


def diff(context: Context, old: str, new: str | None, to: str) -> None:
    """Write what changed to a folder.

        table.csv        images by source, reason and cluster
        changes.parquet  every image added, removed or there for another reason
        summary.json     counts of all images, and the drift of the embeddings
        drift.png        densities of the embeddings, and the sources

    Args:
        context: the workspace.
        old: a curated manifest: a file, or a git revision of this repository.
        new: likewise; None is the present one.
        to: the folder, relative to the workspace.

    Raises:
        DataError: there is neither a file nor a revision of that name, or it holds no curated manifest.
    """
    folder, threads = context.path(to), context.settings.threads_each
    with (
        temporary_folder(context.scratch, "diff-") as drafts,
        database(context.scratch, TABLES_GIB, threads) as connection,
    ):
        before, after = (curated_of(context, name, drafts / str(n)) for n, name in enumerate((old, new or CURATED)))
        compare(connection, before, after)
        table = counts(connection)
        drift, why_not = _drift(context, connection, before, after, drafts / "described")
        write_stream(folder / "changes.parquet", rows(connection), CHANGES)
    _write_table(folder / "table.csv", table)
    everything = {name: value for name, value in table[0].items() if name not in ("by", "name")}
    summary = {"old": old, "new": new or CURATED, "images": everything, "drift": drift.figures if drift else None}
    write_json(folder / "summary.json", summary | ({} if drift else {"no_drift_because": why_not}))
    draw(folder / "drift.png", table, drift)
    print(f"{_told(table, drift, why_not)}\n{folder}: table.csv, changes.parquet, summary.json, drift.png")


def _drift(
    context: Context, connection: duckdb.DuckDBPyConnection, old: Path, new: Path, draft: Path
) -> tuple[Drift | None, str]:
    """The drift, or why there is none."""
    before, after = descriptors(connection)
    if not before | after and not context.path(EMBEDDINGS).is_file():
        return None, f"neither manifest names a descriptor, and there is no {EMBEDDINGS}"
    digest = min(after or before, default="") or embedding(context, "retrieval").descriptor
    if before and digest not in before:
        old = _described(context, connection, digest, draft)
    shards = (read_shard(context.store, name) for name in shard_names(context.store, digest))
    first = next((shard for shard in shards if shard is not None), None)
    if first is None:
        return None, f"{context.store.url} has no vectors of descriptor {digest}"
    threads = context.settings.threads_each
    try:
        sides = [
            spool(digest, first.shape[1], path, context.store, context.scratch, threads=threads) for path in (old, new)
        ]
    except DataError as error:
        return None, str(error)
    try:
        if min(side.vectors.count for side in sides) < 2:
            return None, "a manifest has fewer than two images"
        return measure(connection, *sides), ""
    finally:
        leave(*sides)


def _described(context: Context, connection: duckdb.DuckDBPyConnection, digest: str, draft: Path) -> Path:
    """`draft`, with those images of an old manifest that a newer descriptor has described: they are still there."""
    create_catalogue(connection, "described", context.store, digest)
    rows = stream(connection, "SELECT key, sha256 FROM old SEMI JOIN described USING (sha256) ORDER BY key")
    count, (every,) = write_stream(draft, rows, IMAGES), connection.sql("SELECT count(*) FROM old").fetchall()[0]
    print(f"drift: by the descriptor of the new manifest, which knows {count} of the {every} old images")
    return draft


def _write_table(path: Path, table: list[Count]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    write_text(path, text.getvalue())


def _told(table: list[Count], drift: Drift | None, why_not: str) -> str:
    """A few lines for people."""
    lines = [
        f"{each['name']}: {each['old']} -> {each['new']} images, {each['added']} added, {each['removed']} removed, "
        f"{each['changed']} for another reason"
        for each in table
        if each["by"] in ("all", "source")
    ]
    return "\n".join([*lines, f"drift: {_drift_told(drift.figures) if drift else f'not measured: {why_not}'}"])


def _drift_told(figures: Mapping[str, float]) -> str:
    return (
        f"Fréchet distance {figures['frechet']:.4g} ({figures['frechet_by_chance']:.4g} between halves of the old), "
        f"MMD² {figures['mmd2']:.3g} (p {figures['mmd2_p']:.3g}), "
        f"mean cosine {figures['mean_cosine_old']:.4f} -> {figures['mean_cosine_new']:.4f}"
    )
