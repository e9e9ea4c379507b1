"""How far the embeddings of the images moved from one curated manifest to another."""

from dataclasses import dataclass

import duckdb
import numpy as np

from dinov2.curation.descriptors import unit
from dinov2.curation.diff.discrepancy import discrepancy
from dinov2.curation.diff.moments import BLOCK, Moments, frechet, moments, principal_axes
from dinov2.curation.vectors import Part, Vectors
from dinov2.curation.workplace import Described

SAMPLE = 1000
"""Images of each manifest that the discrepancy is estimated of."""
SHOWN = 50_000
"""Images of each manifest that a picture shows."""
DECIMALS = 6


@dataclass(frozen=True)
class Drift:
    """Figures, and what a picture shows.

    Attributes:
        figures: by name.
        old: (N, 2) float64, images of the old manifest along the two axes of most variance of both manifests.
        new: (M, 2), of the new one.
        removed: (N,) bool, which of the old are not in the new.
        added: (M,) bool, which of the new are not in the old.
    """

    figures: dict[str, float]
    old: np.ndarray
    new: np.ndarray
    removed: np.ndarray
    added: np.ndarray


def measure(connection: duckdb.DuckDBPyConnection, old: Described, new: Described) -> Drift:
    """Compare all vectors by their moments, and samples of them by a kernel.

    The figures are these; an image is a vector of length 1.

        frechet             squared Fréchet distance of Gaussians with the moments of the manifests
        frechet_by_chance   the same of two random halves of the old manifest: what no change looks like
        mean_cosine_old     of two different images of the old manifest
        mean_cosine_new     of two different images of the new one
        mean_cosine_across  of an image of the old and one of the new
        mmd2                maximum mean discrepancy of samples that share no image; see `discrepancy`
        mmd2_p              how often samples of one distribution differ as much; 1 too where there is nothing to tell

    Args:
        connection: has the table `change`; see `compare`.
        old: images of the old manifest.
        new: images of the new one, by the same descriptor.
    """
    first, second = (moments(half, "moments, old") for half in _halves(old.vectors))
    before, after = first.joined(second), moments(new.vectors, "moments, new")
    samples = _sample(connection, old, 0), _sample(connection, new, 1)
    comparable = old.digest != new.digest and min(map(len, samples)) > 1
    mmd2, p = discrepancy(*samples) if comparable else (0.0, 1.0)
    figures = {
        "frechet": frechet(before, after),
        "frechet_by_chance": frechet(first, second),
        "mean_cosine_old": _mean_cosine(before),
        "mean_cosine_new": _mean_cosine(after),
        "mean_cosine_across": float(before.mean @ after.mean),
        "mmd2": mmd2,
        "mmd2_p": p,
    }
    both = before.joined(after)
    seen = [_projected(each.vectors, both.mean, principal_axes(both)) for each in (old, new)]
    moved = [_moved(connection, each, change) for each, change in ((old, "removed"), (new, "added"))]
    return Drift({name: round(value, DECIMALS) + 0.0 for name, value in figures.items()}, *seen, *moved)


def _halves(vectors: Vectors) -> tuple[Vectors, Vectors]:
    middle = (vectors.count + 1) // 2
    return Part(vectors, 0, middle), Part(vectors, middle, vectors.count)


def _projected(vectors: Vectors, centre: np.ndarray, axes: np.ndarray) -> np.ndarray:
    starts = range(0, min(SHOWN, vectors.count), BLOCK)
    blocks = (vectors.read(start, min(start + BLOCK, SHOWN)).astype(np.float64) for start in starts)
    return np.concatenate([(block - centre) @ axes for block in blocks])


def _mean_cosine(found: Moments) -> float:
    """Over pairs of different images: the mean over all pairs is |mean|^2, and an image with itself has 1."""
    n = found.count
    return float((n * np.square(found.mean).sum() - 1) / (n - 1)) if n > 1 else 1.0


def _sample(connection: duckdb.DuckDBPyConnection, images: Described, parity: int) -> np.ndarray:
    """Vectors of the first images by sha256 among those whose sha256 ends in an even or in an odd character."""
    query = "SELECT row FROM read_parquet($path) WHERE ascii(right(sha256, 1)) % 2 = $parity ORDER BY row LIMIT $limit"
    given = {"path": str(images.images), "parity": parity, "limit": SAMPLE}
    rows = connection.execute(query, given).fetchnumpy()["row"]
    return unit(images.vectors.take(np.asarray(rows)).astype(np.float32))


def _moved(connection: duckdb.DuckDBPyConnection, images: Described, change: str) -> np.ndarray:
    query = (
        "SELECT change = $change AS moved FROM read_parquet($path) JOIN change USING (sha256) WHERE row < $limit "
        "ORDER BY row"
    )
    found = connection.execute(query, {"change": change, "path": str(images.images), "limit": SHOWN})
    return np.asarray(found.fetchnumpy()["moved"], bool)
