"""Copies out: those of training images among themselves, and those of evaluation images (paper, appendix A.3)."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dinov2.curation.components import DisjointSets
from dinov2.curation.config import DeduplicateConfig
from dinov2.curation.descriptors import unit
from dinov2.curation.neighbours import cosines, neighbours
from dinov2.errors import DataError
from dinov2.progress import progress

TRAINING = ("pool", "curated")
"""Roles; the other one is "evaluation"."""

DUPLICATES = pa.schema(
    [
        ("key", pa.string()),
        ("kept_key", pa.string()),
        ("similarity", pa.float32()),
        ("reason", pa.string()),
        ("component", pa.int64()),
    ]
)
"""A removed image; `kept_key` is the image kept in its place (reason "self") or the evaluation image that it or a copy
of it shows (reason "evaluation"); `similarity` is the cosine of the two."""


@dataclass(frozen=True)
class Deduplicated:
    """Rows of the manifest that are kept, rows of `DUPLICATES`, and counts."""

    unique: pa.Table
    duplicates: pa.Table
    metrics: dict[str, Any]


def deduplicate(manifest: pa.Table, vectors: np.ndarray, config: DeduplicateConfig) -> Deduplicated:
    """Keep one image of each component of copies, and none of a component that touches an evaluation image.

    The image kept is a curated one if there is one, then the one with most pixels, then the first by key.

    Args:
        manifest: N rows in order of key.
        vectors: (N, D), of any floating type, a row for each row of the manifest.
        config: thresholds.

    Raises:
        DataError: nothing is kept.
    """
    is_training = pc.is_in(manifest["role"], value_set=pa.array(TRAINING)).to_numpy()
    training, held_out = manifest.filter(is_training), manifest.filter(~is_training)
    mine, theirs = vectors[is_training], vectors[~is_training]
    component = copies(mine, config.k, config.self_threshold)
    kept = _first_of_component(component, _preference(training))
    shown = _evaluation_images(mine, theirs, component, config.relative_threshold)
    removed = (kept != np.arange(len(mine))) | (shown >= 0)
    if removed.all():
        raise DataError(f"data/manifest.parquet: all {len(mine)} training images are copies of evaluation images")
    reference = np.where(shown >= 0, len(mine) + shown, kept)[removed]
    keys = pa.chunked_array([*training["key"].chunks, *held_out["key"].chunks], pa.string())
    duplicates = pa.table(
        [
            training["key"].filter(removed),
            keys.take(pa.array(reference)),
            pa.array(cosines(unit(mine[removed]), unit(np.concatenate([mine, theirs])[reference]))),
            pa.array(np.where(shown >= 0, "evaluation", "self")[removed], pa.string()),
            pa.array(component[removed]),
        ],
        schema=DUPLICATES,
    )
    metrics = _metrics(training["source"].to_pylist(), removed, shown >= 0, component)
    return Deduplicated(training.filter(~removed), duplicates, metrics)


def copies(vectors: np.ndarray, k: int, threshold: float) -> np.ndarray:
    """(N,) int64 component of each of (N, D) vectors, with an edge where one of the `k` nearest is above `threshold`.

    Equal vectors are joined first and searched for once: the same picture a thousand times over, which the web does
    hold, would fill the neighbours of all its copies.
    """
    rows = np.ascontiguousarray(vectors).view(np.dtype((np.void, vectors.dtype.itemsize * vectors.shape[1]))).ravel()
    _, first, group = np.unique(rows, return_index=True, return_inverse=True)
    sets = DisjointSets(len(vectors))
    sets.join(np.arange(len(vectors)), first[group])
    first = np.sort(first)
    distinct = vectors[first]
    with progress("copies", len(distinct)) as shown:
        for block in neighbours(distinct, distinct, k + 1):
            queries, places = np.nonzero(block.similarities > threshold)
            sets.join(first[block.first + queries], first[block.ids[queries, places]])
            shown.advance(len(block.ids))
    return sets.labels()


def _preference(training: pa.Table) -> np.ndarray:
    """Numbers of the rows, the one to keep first."""
    curated = pc.equal(training["role"], "curated").to_numpy()
    pixels = pc.multiply(pc.cast(training["width"], pa.int64()), pc.cast(training["height"], pa.int64())).to_numpy()
    return np.lexsort((np.arange(len(pixels)), -pixels, ~curated))


def _first_of_component(component: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(N,) for each member, the member of its component that comes first in `order`."""
    first = np.empty(len(component), np.int64)
    backwards = order[::-1]
    first[component[backwards]] = backwards
    return first[component]


def _evaluation_images(mine: np.ndarray, theirs: np.ndarray, component: np.ndarray, threshold: float) -> np.ndarray:
    """(N,) for each training image the evaluation image that it shows, or that one of its copies shows; -1 for none."""
    nearest, similarity = np.full(len(mine), -1), np.full(len(mine), -1.0, np.float32)
    if len(theirs):
        with progress("copies of evaluation images", len(mine)) as shown:
            for block in neighbours(mine, theirs, 1):
                rows = slice(block.first, block.first + len(block.ids))
                nearest[rows], similarity[rows] = block.ids[:, 0], block.similarities[:, 0]
                shown.advance(len(block.ids))
    best = _first_of_component(component, np.argsort(-similarity, kind="stable"))
    through_copies = np.where(similarity[best] > threshold, nearest[best], -1)
    return np.where(similarity > threshold, nearest, through_copies)


def _metrics(sources: list[str], removed: np.ndarray, spoiled: np.ndarray, component: np.ndarray) -> dict[str, Any]:
    """Counts of training images for each source, and of components by their size."""
    outcome = np.where(spoiled, "evaluation", np.where(removed, "self", "kept")).tolist()
    counts: Counter[tuple[str, str]] = Counter(zip(sources, outcome, strict=True))
    outcomes = ("kept", "self", "evaluation")
    sizes = Counter(np.bincount(component).tolist())
    return {
        "images": len(sources),
        "kept": int((~removed).sum()),
        "sources": {source: {each: counts[source, each] for each in outcomes} for source in sorted(set(sources))},
        "components": {str(size): number for size, number in sorted(sizes.items())},
    }
