"""Retrieval against brute force in float64, and what it is worth on photographs of known origin."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.curation.config import GistConfig, RetrieveConfig
from dinov2.curation.descriptors import create_descriptor, unit
from dinov2.curation.kmeans import assign, hierarchy, quotas, spherical_kmeans
from dinov2.curation.retrieval import WHY, Sets, method_for, retrieve
from dinov2.curation.vectors import Held
from dinov2.curation.workplace import Described, Workplace
from dinov2.data.images import decode_rgb
from dinov2.data.manifest import SCHEMA, write_manifest
from dinov2.data.tables import database
from dinov2.errors import ConfigError


def unique(sources: Sequence[str]) -> list[dict[str, Any]]:
    """Rows in order of key; a source whose name begins with "pool" is the pool's."""
    return [
        {
            "key": f"{n:04}", "uri": "", "sha256": f"{n:064}", "width": 10, "height": 10, "bytes": 1, "source": source,
            "role": "pool" if source.startswith("pool") else "curated", "split": "train", "label": None,
        }
        for n, source in enumerate(sources)
    ]  # fmt: skip


@dataclass(frozen=True)
class Found:
    table: pa.Table
    metrics: dict[str, Any]

    @property
    def retrieved(self) -> list[dict[str, Any]]:
        return [row for row in self.table.to_pylist() if row["reason"] == "retrieved"]


World = tuple[list[dict[str, Any]], np.ndarray]
Run = Callable[..., Found]


@pytest.fixture
def world() -> World:
    """300 images of a pool around 6 centres; 40 queries of "cats" around the first, 12 of "dogs" around another two."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((6, 16))
    near = np.concatenate([random.integers(0, 6, 300), np.zeros(40, int), np.repeat([1, 2], 6)])
    vectors = unit(centres[near] + 0.4 * random.standard_normal((352, 16))).astype(np.float16)
    return unique(["pool"] * 300 + ["cats"] * 40 + ["dogs"] * 12), vectors


@pytest.fixture
def run(tmp_path: Path, place: Workplace, described: Callable[..., Described]) -> Run:
    """Retrieve for rows with a vector each."""

    def retrieved(rows: list[dict[str, Any]], vectors: np.ndarray, config: RetrieveConfig, seed: int = 0) -> Found:
        write_manifest(tmp_path / "unique.parquet", pa.Table.from_pylist(rows, SCHEMA))
        sources = [row["source"] for row in rows]
        asks = {s: method_for(sources.count(s), config) for s in sources if not s.startswith("pool")}

        def images(wanted: Callable[[str], bool]) -> Described:
            numbers = [n for n, source in enumerate(sources) if wanted(source)]
            return described([rows[n]["sha256"] for n in numbers], vectors[numbers])

        queries = {each: images(lambda s, each=each: asks.get(s) == each) for each in sorted(set(asks.values()))}
        sets = Sets(images(lambda s: s.startswith("pool")), queries, "gist-1")
        with database(tmp_path / "scratch", 1, 1) as connection:
            here = Workplace(place.scratch, place.keep, connection)
            curated = tmp_path / "curated.parquet"
            metrics = retrieve(tmp_path / "unique.parquet", sets, config, seed, here, curated)
        return Found(pq.read_table(curated), metrics)

    return retrieved


def assigned(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    return np.concatenate([labels for _, labels, _ in assign(Held(vectors), centroids)])


def test_sample_based_takes_the_nearest_of_every_query(world: World, run: Run) -> None:
    _, vectors = world
    rows = run(*world, RetrieveConfig(method="sample", neighbours=3)).retrieved
    exact = np.round(unit(vectors[300:]).astype(np.float64) @ unit(vectors[:300]).astype(np.float64).T, 6)
    nearest = np.argsort(-exact, axis=1, kind="stable")[:, :3]
    best: dict[int, int] = {}
    for query in range(52):
        for image in nearest[query]:
            if image not in best or exact[query, image] > exact[best[image], image]:
                best[image] = query
    assert [row["key"] for row in rows] == [f"{image:04}" for image in sorted(best)]
    assert [row["query"] for row in rows] == [f"{300 + best[image]:04}" for image in sorted(best)]
    expected = [exact[best[image], image] for image in sorted(best)]
    np.testing.assert_allclose([row["similarity"] for row in rows], expected, atol=1e-6)
    assert {(row["method"], row["cluster"], row["descriptor"]) for row in rows} == {("sample", None, "gist-1")}


def test_cluster_based_takes_from_the_clusters_that_queries_hit(world: World, run: Run) -> None:
    _, vectors = world
    config = RetrieveConfig(method="cluster", clusters=9, min_hits=2, per_cluster=7, cap=1000)
    rows = run(*world, config, seed=5).retrieved
    centroids = spherical_kmeans(Held(vectors[:300]), 9, 5)
    members = assigned(vectors[:300], centroids)
    wanted: set[int] = set()
    for queries in (slice(300, 340), slice(340, 352)):
        hits = np.bincount(assigned(vectors[queries], centroids), minlength=9)
        wanted |= set(np.flatnonzero(hits > 2).tolist())
    assert {row["cluster"] for row in rows} == wanted
    assert all(members[int(row["key"])] == row["cluster"] for row in rows)
    for cluster in wanted:
        assert sum(row["cluster"] == cluster for row in rows) == min(7, (members == cluster).sum())
    assert {(row["method"], row["query"], row["descriptor"]) for row in rows} == {("cluster", None, "gist-1")}
    for row in rows:
        image = vectors[int(row["key"])].astype(np.float64)
        cosine = image @ centroids[row["cluster"]].astype(np.float64) / np.linalg.norm(image)
        assert row["similarity"] == pytest.approx(cosine, abs=2e-3)


def test_cap_bounds_what_one_source_retrieves(world: World, run: Run) -> None:
    config = RetrieveConfig(method="cluster", clusters=4, min_hits=0, cap=10)
    assert run(*world, config).metrics["retrieved"] == {"cats": 10, "dogs": 10}


def test_seed_decides_which_images_of_a_cluster(world: World, run: Run) -> None:
    config = RetrieveConfig(method="cluster", clusters=1, min_hits=0, per_cluster=20)
    keys = [run(*world, config, seed).table["key"].to_pylist() for seed in (0, 0, 1)]
    assert keys[0] == keys[1] != keys[2]


def test_balanced_takes_alike_from_all_clusters_of_the_pool(world: World, run: Run) -> None:
    config = RetrieveConfig(method="balanced", levels=(12, 4), target=60)
    found, again = (run(*world, config, seed) for seed in (3, 4))
    assert found.metrics["from_pool"] == len(found.retrieved) == 60
    assert {(row["method"], row["query"]) for row in found.retrieved} == {("balanced", None)}
    clusters = hierarchy(Held(world[1][:300]), (12, 4), 3)
    members = assigned(world[1][:300], clusters.centroids[0])
    shares = quotas(np.bincount(members, minlength=12), clusters.parents, 60)
    taken = [row["cluster"] for row in found.retrieved]
    np.testing.assert_array_equal(np.bincount(taken, minlength=12), shares)
    assert all(members[int(row["key"])] == row["cluster"] for row in found.retrieved)
    assert found.table["key"] != again.table["key"]


def test_auto_goes_by_the_number_of_queries() -> None:
    config = RetrieveConfig(sample_above=12)
    assert [method_for(images, config) for images in (12, 13)] == ["cluster", "sample"]


def test_each_source_asks_by_its_own_method(world: World, run: Run) -> None:
    found = run(*world, RetrieveConfig(sample_above=12, clusters=5, min_hits=0, neighbours=2))
    queries = {row["key"]: row["source"] for row in world[0]}
    assert {row["method"] for row in found.retrieved} == {"sample", "cluster"}
    assert {queries[row["query"]] for row in found.retrieved if row["query"]} == {"cats"}


@pytest.mark.parametrize("method", ["sample", "cluster"])
def test_curated_images_are_in_and_the_table_is_sorted(world: World, run: Run, method: str) -> None:
    found = run(*world, RetrieveConfig(method=method, clusters=5)).table
    assert found.schema == pa.schema([*SCHEMA, *WHY])
    keys = found["key"].to_pylist()
    assert keys == sorted(set(keys))
    curated = found.filter(pa.compute.equal(found["reason"], "curated"))
    assert curated["key"].to_pylist() == [row["key"] for row in world[0][300:]]
    assert curated["query"].null_count == curated["method"].null_count == curated["descriptor"].null_count == 52


def test_without_a_curated_source_the_whole_pool_is_taken(run: Run) -> None:
    found = run(unique(["pool-a", "pool-b", "pool-a"]), np.eye(3, dtype=np.float16), RetrieveConfig())
    assert found.table["key"].to_pylist() == ["0000", "0001", "0002"]
    assert found.table["reason"].to_pylist() == ["pool"] * 3
    assert found.metrics["whole_pool"]
    assert found.metrics["from_pool"] == found.metrics["images"] == 3


def test_more_clusters_than_images_is_refused(world: World, run: Run) -> None:
    with pytest.raises(ConfigError, match=r"retrieve\.clusters: 100000: more than the 300 images left of the pool"):
        run(*world, RetrieveConfig(method="cluster"))


def _vectors(files: Sequence[Path]) -> np.ndarray:
    descriptor = create_descriptor(GistConfig(), Path())
    images = (decode_rgb(file.read_bytes(), descriptor.shortest) for file in files)
    return np.concatenate([descriptor.embed([image]) for image in images]).astype(np.float16)


@pytest.mark.parametrize(
    ("queries", "origin", "gain"), [("clothing10", "clothing-rest", 2), ("caltech101", "caltech-rest", 1.2)]
)
def test_retrieves_photographs_of_the_queries_kind(
    real_photographs: Callable[[str], Path], run: Run, queries: str, origin: str, gain: float
) -> None:
    soup = real_photographs("websoup")
    with (soup / "provenance.csv").open() as file:
        origins = {row["file"]: row["origin"] for row in csv.DictReader(file)}
    pool = [soup / name for name in sorted(origins)]
    asked = sorted(real_photographs(queries).rglob("*.jpg"))[::8]
    table = unique(["pool"] * len(pool) + ["curated"] * len(asked))
    found = run(table, _vectors([*pool, *asked]), RetrieveConfig(method="sample"))
    taken = [origins[sorted(origins)[int(row["key"])]] for row in found.retrieved]
    base_rate = sum(each == origin for each in origins.values()) / len(origins)
    assert taken.count(origin) / len(taken) > gain * base_rate
