"""How much of what retrieval takes from a pool is of the kind that was asked for, next to the pool's own share of it.

    python -m benchmarks.retrieval POOL --queries FOLDER=ORIGIN ... [--descriptor gist|hash|pdq|MODEL] [--json]

POOL, a folder, holds provenance.csv, whose columns `file` and `origin` say where each of its images comes from. The
images of each FOLDER ask, by sample and by cluster, as the stage `retrieve` does; what is retrieved is right if its
origin is ORIGIN.
"""

import argparse
import csv
import json
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.copy_detection import named_or_file
from dinov2.curation.config import RetrieveConfig
from dinov2.curation.descriptors import Descriptor
from dinov2.curation.keep import Keep
from dinov2.curation.retrieval import Sets, retrieve
from dinov2.curation.vectors import Held
from dinov2.curation.workplace import Described, Workplace
from dinov2.data.entries import is_candidate
from dinov2.data.images import decode_rgb
from dinov2.data.manifest import SCHEMA, write_manifest
from dinov2.data.stream import in_batches
from dinov2.data.tables import database
from dinov2.errors import DataError, told_in_one_line
from dinov2.progress import progress
from dinov2.storage import Store

CONFIGS = {
    "sample": RetrieveConfig(method="sample", neighbours=4),
    "cluster": RetrieveConfig(method="cluster", clusters=50, per_cluster=20),
}
BATCH = 64


def origins_of(pool: Path) -> dict[Path, str]:
    """The origin of each file of the pool.

    Raises:
        DataError: provenance.csv is missing or lacks a column.
    """
    path = pool / "provenance.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {pool / row["file"]: row["origin"] for row in csv.DictReader(file)}
    except (FileNotFoundError, KeyError) as error:
        raise DataError(f"{path}: no such file, or no column of this name: {error}") from None


def embed(descriptor: Descriptor, files: Sequence[Path], what: str) -> np.ndarray:
    """Vectors (N, D) of image files."""
    parts = []
    read = partial(_decoded, descriptor.shortest)
    with progress(f"embed {what}", len(files)) as shown:
        for images in in_batches(read, files, BATCH, os.cpu_count() or 1):
            parts.append(descriptor.embed(images))
            shown.advance(len(images))
    return np.concatenate(parts)


def _decoded(shortest: int, path: Path) -> np.ndarray:
    return decode_rgb(path.read_bytes(), shortest)


def precision(
    pool: np.ndarray, queries: np.ndarray, origins: Sequence[str], wanted: str, config: RetrieveConfig, folder: Path
) -> tuple[int, float]:
    """How many images are retrieved, and the share of them that comes from `wanted`."""
    rows = [_row(number, "pool") for number in range(len(pool))]
    rows += [_row(len(pool) + number, "curated") for number in range(len(queries))]
    write_manifest(folder / "unique.parquet", pa.Table.from_pylist(rows, SCHEMA))
    asked = _described(queries, rows[len(pool) :], folder / "queries.parquet")
    sets = Sets(_described(pool, rows[: len(pool)], folder / "pool.parquet"), {config.method: asked}, "")  # type: ignore[dict-item]
    with database(folder, 1, 1) as connection:
        place = Workplace(folder, Keep(Store(str(folder / "store")), "retrieval"), connection)
        retrieve(folder / "unique.parquet", sets, config, 0, place, folder / "curated.parquet")
    found = pq.read_table(folder / "curated.parquet", columns=["key", "reason"]).to_pylist()
    taken = [origins[int(row["key"])] for row in found if row["reason"] == "retrieved"]
    return len(taken), taken.count(wanted) / len(taken) if taken else 0.0


def _row(number: int, role: str) -> dict[str, Any]:
    facts = {"width": 1, "height": 1, "bytes": 1, "split": "train", "label": None, "uri": ""}
    return {"key": f"{number:09}", "sha256": f"{number:064}", "source": role, "role": role} | facts


def _described(vectors: np.ndarray, rows: list[dict[str, Any]], images: Path) -> Described:
    pq.write_table(pa.table({"sha256": [row["sha256"] for row in rows], "row": np.arange(len(rows))}), images)
    return Described(Held(vectors), images, images.stem)


def main() -> None:
    """Measure one descriptor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path, metavar="POOL")
    parser.add_argument("--queries", nargs="+", required=True, metavar="FOLDER=ORIGIN")
    parser.add_argument("--most", type=int, default=200, help="images of a FOLDER that ask, spread evenly over it")
    parser.add_argument("--descriptor", default="gist", help="gist, hash, pdq or a file")
    parser.add_argument("--resolution", type=int, default=224, help="side of the images that a backbone sees")
    parser.add_argument("--json", action="store_true", help="the figures again, as the last line")
    options = parser.parse_args()
    origins = origins_of(options.pool)
    descriptor, files = named_or_file(options.descriptor, options.resolution), sorted(origins)
    kinds = [origins[file] for file in files]
    pool, figures = embed(descriptor, files, "the pool"), []
    for asked in options.queries:
        folder, _, wanted = asked.rpartition("=")
        if wanted not in kinds:
            known = ", ".join(sorted(set(kinds)))
            raise DataError(f"--queries {asked}: no image of the pool is from {wanted!r}; allowed: {known}")
        base = kinds.count(wanted) / len(kinds)
        names = sorted(path for path in Path(folder).rglob("*") if path.is_file() and is_candidate(path.name))
        if not names:
            raise DataError(f"--queries {asked}: no images in {folder}")
        names = names[:: -(-len(names) // options.most)]
        queries = embed(descriptor, names, folder)
        for method, config in CONFIGS.items():
            with tempfile.TemporaryDirectory() as scratch:
                count, share = precision(pool, queries, kinds, wanted, config, Path(scratch))
            figures.append(
                {"queries": folder, "wanted": wanted, "method": method, "retrieved": count, "precision": share}
                | {"base_rate": base, "ratio": share / base}
            )
    for row in figures:
        print(
            f"{row['queries']}: {row['method']}: {row['retrieved']} retrieved, {row['precision']:.3f} of them "
            f"{row['wanted']}; of the pool {row['base_rate']:.3f}: {row['ratio']:.2f} times"
        )
    if options.json:
        print(json.dumps({"descriptor": options.descriptor, "figures": figures}))


if __name__ == "__main__":
    with told_in_one_line():
        main()
