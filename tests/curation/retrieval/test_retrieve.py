"""Retrieval against brute force in float64, and what it is worth on photographs of known origin."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from dinov2.curation.config import GistConfig, RetrieveConfig
from dinov2.curation.descriptors import create_descriptor, unit
from dinov2.curation.kmeans import assign, spherical_kmeans
from dinov2.curation.retrieval import WHY, retrieve
from dinov2.data.images import decode_rgb
from dinov2.data.manifest import SCHEMA
from dinov2.errors import ConfigError


def unique(sources: Sequence[str]) -> pa.Table:
    """Rows in order of key; a source whose name begins with "pool" is the pool's."""
    rows = [
        {
            "key": f"{n:04}", "uri": "", "sha256": "", "width": 10, "height": 10, "bytes": 1, "source": source,
            "role": "pool" if source.startswith("pool") else "curated", "split": "train", "label": None,
        }
        for n, source in enumerate(sources)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@pytest.fixture
def world() -> tuple[pa.Table, np.ndarray]:
    """300 images of a pool around 6 centres; 40 queries of "cats" around the first, 12 of "dogs" around another two."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((6, 16))
    near = np.concatenate([random.integers(0, 6, 300), np.zeros(40, int), np.repeat([1, 2], 6)])
    vectors = unit(centres[near] + 0.4 * random.standard_normal((352, 16))).astype(np.float16)
    return unique(["pool"] * 300 + ["cats"] * 40 + ["dogs"] * 12), vectors


def test_sample_based_takes_the_nearest_of_every_query(world: tuple[pa.Table, np.ndarray]) -> None:
    table, vectors = world
    found = retrieve(table, vectors, RetrieveConfig(method="sample", neighbours=3), seed=0)
    exact = np.round(unit(vectors[300:]).astype(np.float64) @ unit(vectors[:300]).astype(np.float64).T, 6)
    nearest = np.argsort(-exact, axis=1, kind="stable")[:, :3]
    best: dict[int, int] = {}
    for query in range(52):
        for image in nearest[query]:
            if image not in best or exact[query, image] > exact[best[image], image]:
                best[image] = query
    rows = [row for row in found.table.to_pylist() if row["reason"] == "retrieved"]
    assert [row["key"] for row in rows] == [f"{image:04}" for image in sorted(best)]
    assert [row["query"] for row in rows] == [f"{300 + best[image]:04}" for image in sorted(best)]
    expected = [exact[best[image], image] for image in sorted(best)]
    np.testing.assert_allclose([row["similarity"] for row in rows], expected, atol=1e-6)
    assert {(row["method"], row["cluster"]) for row in rows} == {("sample", None)}


def test_cluster_based_takes_from_the_clusters_that_queries_hit(world: tuple[pa.Table, np.ndarray]) -> None:
    table, vectors = world
    config = RetrieveConfig(method="cluster", clusters=9, min_hits=2, per_cluster=7, cap=1000)
    found = retrieve(table, vectors, config, seed=5)
    centroids = spherical_kmeans(vectors[:300], 9, seed=5)
    members, _ = assign(vectors[:300], centroids)
    wanted: set[int] = set()
    for queries in (slice(300, 340), slice(340, 352)):
        hits = np.bincount(assign(vectors[queries], centroids)[0], minlength=9)
        wanted |= set(np.flatnonzero(hits > 2).tolist())
    rows = [row for row in found.table.to_pylist() if row["reason"] == "retrieved"]
    assert {row["cluster"] for row in rows} == wanted
    assert all(members[int(row["key"])] == row["cluster"] for row in rows)
    for cluster in wanted:
        assert sum(row["cluster"] == cluster for row in rows) == min(7, (members == cluster).sum())
    assert {(row["method"], row["query"], row["similarity"]) for row in rows} == {("cluster", None, None)}


def test_cap_bounds_what_one_source_retrieves(world: tuple[pa.Table, np.ndarray]) -> None:
    table, vectors = world
    config = RetrieveConfig(method="cluster", clusters=4, min_hits=0, cap=10)
    found = retrieve(table, vectors, config, seed=0).metrics["queries"]
    assert {source: each["retrieved"] for source, each in found.items()} == {"cats": 10, "dogs": 10}


def test_seed_decides_which_images_of_a_cluster(world: tuple[pa.Table, np.ndarray]) -> None:
    table, vectors = world
    config = RetrieveConfig(method="cluster", clusters=1, min_hits=0, per_cluster=20)
    keys = [retrieve(table, vectors, config, seed).table["key"].to_pylist() for seed in (0, 0, 1)]
    assert keys[0] == keys[1] != keys[2]


def test_auto_goes_by_the_number_of_queries(world: tuple[pa.Table, np.ndarray]) -> None:
    config = RetrieveConfig(sample_above=12, clusters=5)
    queries = retrieve(*world, config, seed=0).metrics["queries"]
    assert {source: each["method"] for source, each in queries.items()} == {"cats": "sample", "dogs": "cluster"}


@pytest.mark.parametrize("method", ["sample", "cluster"])
def test_curated_images_are_in_and_the_table_is_sorted(world: tuple[pa.Table, np.ndarray], method: str) -> None:
    table, vectors = world
    found = retrieve(table, vectors, RetrieveConfig(method=method, clusters=5), seed=0).table
    assert found.schema == pa.schema([*SCHEMA, *WHY])
    keys = found["key"].to_pylist()
    assert keys == sorted(set(keys))
    curated = found.filter(pa.compute.equal(found["reason"], "curated"))
    assert curated["key"].to_pylist() == table["key"].to_pylist()[300:]
    assert curated["query"].null_count == curated["method"].null_count == 52


def test_without_a_curated_source_the_whole_pool_is_taken() -> None:
    table = unique(["pool-a", "pool-b", "pool-a"])
    found = retrieve(table, np.eye(3, dtype=np.float16), RetrieveConfig(), seed=0)
    assert found.table["key"].to_pylist() == ["0000", "0001", "0002"]
    assert found.table["reason"].to_pylist() == ["pool"] * 3
    assert found.metrics["whole_pool"]
    assert found.metrics["from_pool"] == found.metrics["images"] == 3


def test_more_clusters_than_images_is_refused(world: tuple[pa.Table, np.ndarray]) -> None:
    with pytest.raises(ConfigError, match=r"retrieve\.clusters: 100000: more than the 300 images left of the pool"):
        retrieve(*world, RetrieveConfig(method="cluster"), seed=0)


def _vectors(files: Sequence[Path]) -> np.ndarray:
    descriptor = create_descriptor(GistConfig(), Path())
    images = (decode_rgb(file.read_bytes(), descriptor.shortest) for file in files)
    return np.concatenate([descriptor.embed([image]) for image in images]).astype(np.float16)


@pytest.mark.parametrize(
    ("queries", "origin", "gain"), [("clothing10", "clothing-rest", 2), ("caltech101", "caltech-rest", 1.2)]
)
def test_retrieves_photographs_of_the_queries_kind(
    real_photographs: Callable[[str], Path], queries: str, origin: str, gain: float
) -> None:
    soup = real_photographs("websoup")
    with (soup / "provenance.csv").open() as file:
        origins = {row["file"]: row["origin"] for row in csv.DictReader(file)}
    pool = [soup / name for name in sorted(origins)]
    asked = sorted(real_photographs(queries).rglob("*.jpg"))[::8]
    table = unique(["pool"] * len(pool) + ["curated"] * len(asked))
    found = retrieve(table, _vectors([*pool, *asked]), RetrieveConfig(method="sample"), seed=0).table.to_pylist()
    taken = [origins[sorted(origins)[int(row["key"])]] for row in found if row["reason"] == "retrieved"]
    base_rate = sum(each == origin for each in origins.values()) / len(origins)
    assert taken.count(origin) / len(taken) > gain * base_rate
