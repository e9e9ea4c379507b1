"""Vectors like those of a pool of photographs, with planted copies, made from a seed at any scale."""

from pathlib import Path

import numpy as np

from dinov2.curation.vectors import ITEM
from dinov2.storage import atomic_path

BLOCK = 1 << 16
CONCEPTS, THEMES, BASES = 2000, 64, 64
INTRINSIC = 24
"""Dimensions within a concept: few enough that some vectors are much nearer than others."""
POWER = -0.8
"""Of the size of a concept in its rank."""
COPIES = 0.1
"""Share of vectors that are copies of another."""
COSINES = (0.7, 0.99)
"""Of a copy to what it is a copy of."""


def write_vectors(path: Path, count: int, dim: int, seed: int = 0) -> None:
    """Write `count` unit vectors of length `dim` as float16 rows in random order, whole or not at all."""
    with atomic_path(path) as draft, draft.open("wb") as file:
        for start in range(0, count, BLOCK):
            file.write(_block(min(BLOCK, count - start), dim, seed, start).tobytes())


def _block(count: int, dim: int, seed: int, start: int) -> np.ndarray:
    same, random = np.random.default_rng(seed), np.random.default_rng([seed, start])
    themes = same.standard_normal((THEMES, dim), np.float32)
    centres = _unit(
        0.8 * themes[same.integers(0, THEMES, CONCEPTS)] + same.standard_normal((CONCEPTS, dim), np.float32)
    )
    bases = same.standard_normal((BASES, INTRINSIC, dim), np.float32) / np.sqrt(dim * INTRINSIC, dtype=np.float32)
    sizes = np.arange(1, CONCEPTS + 1) ** POWER
    concept = random.choice(CONCEPTS, count, p=sizes / sizes.sum())
    within = random.standard_normal((count, INTRINSIC), np.float32)
    vectors = centres[concept] + random.standard_normal((count, dim), np.float32) / np.sqrt(dim, dtype=np.float32)
    for number, basis in enumerate(bases):
        members = np.flatnonzero(concept % BASES == number)
        vectors[members] += 0.9 * within[members] @ basis
    vectors = _unit(vectors)
    copies, sources = random.permutation(count)[: 2 * int(COPIES * count)].reshape(2, -1)
    cosine = random.uniform(*COSINES, (len(copies), 1)).astype(np.float32)
    away = random.standard_normal((len(copies), dim), np.float32)
    away -= (away * vectors[sources]).sum(axis=1, keepdims=True) * vectors[sources]
    vectors[copies] = cosine * vectors[sources] + np.sqrt(1 - cosine**2) * _unit(away)
    return vectors.astype(ITEM)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
