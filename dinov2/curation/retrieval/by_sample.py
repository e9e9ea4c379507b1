"""Sample-based retrieval: the nearest images of the pool for every query (paper, appendix A.4)."""

from collections.abc import Iterator

import pyarrow as pa

from dinov2.curation.config import RetrieveConfig
from dinov2.curation.lookup import Lookup
from dinov2.curation.workplace import Described, Workplace

TAKE = """
INSERT INTO taken
SELECT pair.row, source, key, similarity, NULL, 'sample'
FROM pair JOIN query ON query.row = pair.query JOIN manifest USING (sha256) WHERE role = 'curated'
"""


def nearest(queries: Described, pool: Described, config: RetrieveConfig, place: Workplace) -> Lookup:
    """The images of the pool that each query takes."""
    keep = place.keep.within("nearest", queries.digest, pool.digest, config.neighbours)
    return Lookup("retrieve", queries.vectors, pool.vectors, config.neighbours, config.search, keep, gpus=place.gpus)


def pairs(lookup: Lookup) -> Iterator[pa.RecordBatch]:
    """(query, row, similarity): a query, an image of the pool and their cosine."""
    for found in lookup.pairs():
        yield pa.record_batch({"query": found.query, "row": found.neighbour, "similarity": found.similarity})
