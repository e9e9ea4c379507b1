"""Where a step of curation is done, and the images it is about."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from dinov2.curation.keep import Keep
from dinov2.curation.vectors import Vectors


@dataclass(frozen=True)
class Workplace:
    """Nothing here changes a result.

    Attributes:
        scratch: a local folder for what does not fit in memory.
        keep: where finished parts of the computation are kept, each named by the images and parameters it depends on.
        connection: DuckDB, with a bound on its memory.
        gpus: whether searches are done on GPUs.
    """

    scratch: Path
    keep: Keep
    connection: duckdb.DuckDBPyConnection
    gpus: bool = False


@dataclass(frozen=True)
class Described:
    """Distinct images with their vectors, in order of sha256.

    Attributes:
        vectors: N rows.
        images: Parquet file with the columns `sha256` and `row`, the number of its vector.
        digest: names the images and what their vectors were made by.
    """

    vectors: Vectors
    images: Path
    digest: str
