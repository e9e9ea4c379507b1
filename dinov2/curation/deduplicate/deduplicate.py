"""Copies out: those of training images among themselves, and those of evaluation images (paper, appendix A.3)."""

from pathlib import Path
from typing import Any

from dinov2.curation.config import DeduplicateConfig
from dinov2.curation.deduplicate.graph import Thresholds, components, copies, leaks, shown
from dinov2.curation.deduplicate.outcome import DUPLICATES, KEPT, curated_left, decide, figures, removed
from dinov2.curation.workplace import Described, Workplace
from dinov2.data.manifest import SCHEMA
from dinov2.data.tables import create_table, stream, write_stream
from dinov2.errors import DataError


def deduplicate(
    manifest: Path,
    training: Described,
    held_out: Described,
    config: DeduplicateConfig,
    above: Thresholds,
    place: Workplace,
    unique: Path,
    duplicates: Path,
) -> dict[str, Any]:
    """Keep one image of each component of copies, and none of a component that touches an evaluation image.

    The image kept is a curated one if there is one, then the one with most pixels, then the first by key.
    Images of equal vectors are copies, however many they are; the `k` neighbours of an image are distinct vectors.

    Args:
        manifest: Parquet file of all images.
        training: those of roles pool and curated.
        held_out: those of role evaluation.
        config: how neighbours are searched.
        above: thresholds.
        place: where it is done.
        unique: file to write, the rows of the manifest that are kept.
        duplicates: file to write, rows of `DUPLICATES`.

    Returns:
        Counts.

    Raises:
        DataError: nothing is kept, or nothing that is curated.
    """
    connection = place.connection
    connection.read_parquet(str(manifest)).create_view("manifest")
    connection.read_parquet(str(training.images)).create_view("image")
    connection.read_parquet(str(held_out.images)).create_view("held_image")
    pairs = copies(training, config, above.copies, place).pairs()
    found = components(training.vectors.count, pairs, place.scratch)
    create_table(connection, "component", "row BIGINT, component BIGINT", found)
    pairs = leaks(training, held_out, config, above.leaks, place).pairs()
    create_table(connection, "leak", "row BIGINT, shows BIGINT, similarity FLOAT", shown(pairs))
    decide(connection)
    counts, (curated, left) = figures(connection), curated_left(connection)
    if not counts["images"]:
        raise DataError(f"{manifest}: no image has the role pool or curated")
    if not counts["kept"]:
        raise DataError(f"{manifest}: all {counts['images']} training images are copies of evaluation images")
    if curated and not left:
        raise DataError(
            f"{manifest}: all {curated} curated images are copies of evaluation images; where that is right, take the "
            "curated sources out of params.yaml: the whole pool is the training set then"
        )
    write_stream(unique, stream(connection, KEPT), SCHEMA)
    write_stream(duplicates, removed(connection, training.vectors, held_out.vectors), DUPLICATES)
    return counts


def fill(
    training: Described,
    held_out: Described,
    config: DeduplicateConfig,
    above: Thresholds,
    place: Workplace,
    index: int,
    indexes: int,
) -> None:
    """Do and keep the share that one of the `indexes` of a job has in the searches; `deduplicate` does the rest."""
    copies(training, config, above.copies, place).fill(index, indexes)
    leaks(training, held_out, config, above.leaks, place).fill(index, indexes)
