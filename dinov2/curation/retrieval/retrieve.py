"""The training set: curated images, and the images of the pool that are like them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from dinov2.curation.config import RetrieveConfig
from dinov2.curation.keep import Keep
from dinov2.curation.kmeans import fill as fill_clusters
from dinov2.curation.retrieval import by_balance, by_cluster, by_sample
from dinov2.curation.retrieval.choice import TAKEN, WHY, choose, figures, rows
from dinov2.curation.workplace import Described, Workplace
from dinov2.data.manifest import SCHEMA
from dinov2.data.tables import create_table, write_stream

Method = Literal["sample", "cluster"]
MEMBER = "row BIGINT, cluster INTEGER, similarity FLOAT"


@dataclass(frozen=True)
class Sets:
    """Who asks whom.

    Attributes:
        pool: images of the pool.
        queries: images of the curated sources that ask by each method; a method without any is left out.
        descriptor: digest of what describes all of them.
    """

    pool: Described
    queries: Mapping[Method, Described]
    descriptor: str


def method_for(images: int, config: RetrieveConfig) -> Method:
    """By which method a curated source of so many images asks; with "balanced" none asks."""
    if config.method == "auto":
        return "sample" if images > config.sample_above else "cluster"
    return "sample" if config.method == "sample" else "cluster"


def retrieve(
    unique: Path, sets: Sets, config: RetrieveConfig, seed: int, place: Workplace, curated: Path
) -> dict[str, Any]:
    """Choose the training images: every curated one, and what each curated source retrieves from the pool.

    Without a curated source the whole pool is taken.

    Args:
        unique: Parquet file, rows of the manifest of roles "pool" and "curated".
        sets: the images and their vectors.
        config: by which method, and how much.
        seed: of k-means and of the choice within clusters.
        place: where it is done.
        curated: file to write, rows of the manifest with the columns `WHY`, in order of key.

    Returns:
        Counts.

    Raises:
        ConfigError: more clusters than images of the pool are asked for.
    """
    connection = place.connection
    connection.read_parquet(str(unique)).create_view("manifest")
    connection.read_parquet(str(sets.pool.images)).create_view("image")
    connection.execute(f"CREATE TABLE taken ({TAKEN})")
    if config.method == "balanced":
        _balance(sets.pool, config, seed, place)
    else:
        for method, queries in sets.queries.items():
            connection.read_parquet(str(queries.images)).create_view("query", replace=True)
            ask = _ask_by_sample if method == "sample" else _ask_by_cluster
            ask(queries, sets.pool, config, seed, place)
    whole = not sets.queries and config.method != "balanced"
    choose(connection, sets.descriptor, whole)
    write_stream(curated, rows(connection), pa.schema([*SCHEMA, *WHY]))
    return figures(connection) | {"whole_pool": whole}


def fill(sets: Sets, config: RetrieveConfig, seed: int, place: Workplace, index: int, indexes: int) -> None:
    """Do and keep the share that one of the `indexes` of a job has; `retrieve` does the rest.

    The centres of clusters must have been found before: `find_centres` does, on any number of processes together.
    """
    if config.method != "balanced" and (queries := sets.queries.get("sample")) is not None:
        by_sample.nearest(queries, sets.pool, config, place).fill(index, indexes)
    if (centres := find_centres(sets, config, seed, place)) is not None:
        fill_clusters(sets.pool.vectors, centres, _assigned(sets.pool, place), index, indexes)


def find_centres(sets: Sets, config: RetrieveConfig, seed: int, place: Workplace) -> np.ndarray | None:
    """(C, D) centres of the clusters that images are put into; None where the parameters and sources need none."""
    if config.method == "balanced":
        return by_balance.clusters(sets.pool, config, seed, place).centroids[0]
    return by_cluster.centroids(sets.pool, config, seed, place) if "cluster" in sets.queries else None


def _balance(pool: Described, config: RetrieveConfig, seed: int, place: Workplace) -> None:
    found = by_balance.clusters(pool, config, seed, place)
    members = by_cluster.members(pool.vectors, found.centroids[0], _assigned(pool, place))
    create_table(place.connection, "member", MEMBER, members)
    quota = by_balance.shares(place.connection, found, config.target)
    create_table(place.connection, "quota", "cluster INTEGER, images BIGINT", quota)
    place.connection.execute(by_balance.TAKE, {"seed": seed})


def _ask_by_sample(queries: Described, pool: Described, config: RetrieveConfig, _: int, place: Workplace) -> None:
    found = by_sample.pairs(by_sample.nearest(queries, pool, config, place))
    create_table(place.connection, "pair", "query BIGINT, row BIGINT, similarity FLOAT", found)
    place.connection.execute(by_sample.TAKE)


def _ask_by_cluster(queries: Described, pool: Described, config: RetrieveConfig, seed: int, place: Workplace) -> None:
    centres = by_cluster.centroids(pool, config, seed, place)
    create_table(place.connection, "member", MEMBER, by_cluster.members(pool.vectors, centres, _assigned(pool, place)))
    create_table(place.connection, "asked", MEMBER, by_cluster.members(queries.vectors, centres))
    bounds = {name: getattr(config, name) for name in ("min_hits", "per_cluster", "cap")}
    place.connection.execute(by_cluster.TAKE, bounds | {"seed": seed})


def _assigned(pool: Described, place: Workplace) -> Keep:
    return place.keep.within("assigned", pool.digest)
