"""Mean and covariance of vectors, and how far two Gaussians that have them are apart."""

from dataclasses import dataclass

import numpy as np

from dinov2.curation.vectors import Vectors
from dinov2.progress import progress

BLOCK = 8192


@dataclass(frozen=True)
class Moments:
    """Mean (D,) and covariance (D, D) of N vectors, float64; that of the vectors themselves, divided by N."""

    count: int
    mean: np.ndarray
    covariance: np.ndarray

    def joined(self, other: "Moments") -> "Moments":
        """Those of both sets together."""
        count = self.count + other.count
        mine, theirs = self.count / count, other.count / count
        apart = self.mean - other.mean
        spread = mine * self.covariance + theirs * other.covariance + mine * theirs * np.outer(apart, apart)
        return Moments(count, mine * self.mean + theirs * other.mean, spread)


def moments(vectors: Vectors, what: str) -> Moments:
    """The moments of all vectors, a block at a time.

    The first block's mean is taken off before squares are summed: they would cancel otherwise.
    """
    total, squares = np.zeros(vectors.dim), np.zeros((vectors.dim, vectors.dim))
    shift = vectors.read(0, BLOCK).astype(np.float64).mean(axis=0)
    with progress(what, vectors.count, "vectors") as shown:
        for start in range(0, vectors.count, BLOCK):
            block = vectors.read(start, start + BLOCK).astype(np.float64) - shift
            total += block.sum(axis=0)
            squares += block.T @ block
            shown.advance(len(block))
    mean = total / vectors.count
    return Moments(vectors.count, shift + mean, squares / vectors.count - np.outer(mean, mean))


def frechet(one: Moments, other: Moments) -> float:
    """Squared Fréchet distance of the Gaussians (Dowson and Landau 1982), as in the FID (Heusel et al. 2017).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2)
    """
    root = _root(one.covariance)
    values = np.linalg.eigvalsh(root @ other.covariance @ root)
    common = 2 * np.sqrt(np.maximum(values, 0)).sum()
    apart = np.square(one.mean - other.mean).sum()
    return max(0.0, float(apart + np.trace(one.covariance) + np.trace(other.covariance) - common))


def principal_axes(found: Moments, count: int = 2) -> np.ndarray:
    """(D, count) axes of most variance; the largest component of each is positive."""
    axes = np.linalg.eigh(found.covariance)[1][:, ::-1][:, :count]
    return axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0))


def _root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance."""
    values, axes = np.linalg.eigh(matrix)
    return (axes * np.sqrt(np.maximum(values, 0))) @ axes.T
