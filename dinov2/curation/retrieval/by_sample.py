"""Sample-based retrieval: the nearest images of the pool for every query (paper, appendix A.4)."""

import numpy as np

from dinov2.curation.neighbours import Neighbours, neighbours
from dinov2.curation.retrieval.result import Retrieved, union
from dinov2.progress import progress


def retrieve_by_sample(queries: np.ndarray, numbers: np.ndarray, pool: np.ndarray, k: int) -> Retrieved:
    """The `k` images of the pool nearest to each query; one that several queries find goes to the most alike.

    Args:
        queries: (Q, D) vectors.
        numbers: (Q,) what the queries are called in the result.
        pool: (P, D) vectors.
        k: images for each query.
    """
    found = Retrieved.nothing(len(pool))
    with progress("retrieve", len(queries), "queries") as shown:
        for block in neighbours(queries, pool, k):
            names = numbers[block.first : block.first + len(block.ids)]
            found = union([found, _of_block(block, names, len(pool))])
            shown.advance(len(block.ids))
    return found


def _of_block(block: Neighbours, names: np.ndarray, size: int) -> Retrieved:
    query, images, similarity = np.repeat(names, block.ids.shape[1]), block.ids.ravel(), block.similarities.ravel()
    # Of the queries that found an image the most alike comes last, the first of equals: what is written last stands.
    order = np.lexsort((-query, similarity))
    order = order[images[order] >= 0]
    found = Retrieved.nothing(size)
    found.query[images[order]] = query[order]
    found.similarity[images[order]] = similarity[order]
    return found
