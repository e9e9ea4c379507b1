"""Deduplication against brute force in float64 and scipy's components, and on the built-in sample's planted copies."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse.csgraph import connected_components

from dinov2.curation.config import DeduplicateConfig, HashConfig
from dinov2.curation.deduplicate import DUPLICATES, Thresholds, deduplicate, fill
from dinov2.curation.deduplicate.graph import components, copies
from dinov2.curation.descriptors import create_descriptor, unit
from dinov2.curation.workplace import Described, Workplace
from dinov2.data.images import decode_rgb
from dinov2.data.manifest import SCHEMA, write_manifest
from dinov2.data.sample import make_sample, truth
from dinov2.data.tables import database
from dinov2.errors import DataError
from dinov2.storage import Store

CONFIG, ABOVE = DeduplicateConfig(), Thresholds(copies=0.8, leaks=0.7)


def rows_of(
    roles: Sequence[str], sides: Sequence[int] | None = None, names: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Rows of a manifest; sources are named for their role, and the bytes of no two images are the same."""
    return [
        {
            "key": names[n] if names else f"{n:04}", "uri": "", "sha256": hashlib.sha256(b"%d" % n).hexdigest(),
            "width": sides[n] if sides else 10, "height": 10, "bytes": 1, "source": role, "role": role,
            "split": "train", "label": None,
        }
        for n, role in enumerate(roles)
    ]  # fmt: skip


def around(centres: np.ndarray, spread: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(centres.shape)
    return unit(centres + spread * noise).astype(np.float16)


def towards(*angles: float) -> np.ndarray:
    """Unit vectors in the plane, at degrees."""
    return np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1).astype(np.float16)


@dataclass(frozen=True)
class Found:
    unique: pa.Table
    duplicates: pa.Table
    metrics: dict[str, Any]


@pytest.fixture
def run(tmp_path: Path, place: Workplace, described: Callable[..., Described]) -> Callable[..., Found]:
    """Deduplicate rows with a vector each; `before` is called with the two sets first."""

    def deduplicated(
        rows: list[dict[str, Any]],
        vectors: np.ndarray,
        above: Thresholds = ABOVE,
        before: Callable[[Described, Described], object] | None = None,
    ) -> Found:
        write_manifest(tmp_path / "manifest.parquet", pa.Table.from_pylist(rows, SCHEMA))
        held = np.array([row["role"] == "evaluation" for row in rows])
        sets = []
        for chosen in (~held, held):
            first = {rows[n]["sha256"]: n for n in np.flatnonzero(chosen)}
            sets.append(described(list(first), vectors[list(first.values())]))
        if before:
            before(*sets)
        unique, duplicates = tmp_path / "unique.parquet", tmp_path / "duplicates.parquet"
        with database(tmp_path / "scratch", 1, 1) as connection:
            here = Workplace(place.scratch, place.keep, connection)
            metrics = deduplicate(tmp_path / "manifest.parquet", *sets, CONFIG, above, here, unique, duplicates)
        return Found(pq.read_table(unique), pq.read_table(duplicates), metrics)

    return deduplicated


def test_components_are_those_of_the_exact_graph(place: Workplace, described: Callable[..., Described]) -> None:
    random = np.random.default_rng(0)
    vectors = around(random.standard_normal((150, 16))[random.integers(0, 150, 500)], 0.35)
    exact = unit(vectors).astype(np.float64)
    _, expected = connected_components(exact @ exact.T > 0.8, directed=False)
    images = described([f"{n:04}" for n in range(500)], vectors)
    pairs = copies(images, CONFIG, 0.8, place).pairs()
    found = np.concatenate([batch["component"] for batch in components(500, pairs, place.scratch)])
    np.testing.assert_array_equal(found[:, None] == found, expected[:, None] == expected)
    assert 1 < np.bincount(found).max() < 64


def test_the_same_bytes_under_many_keys_are_copies(run: Callable[..., Found]) -> None:
    rows = rows_of(["pool"] * 102)
    for row in rows[:100]:
        row["sha256"] = rows[0]["sha256"]
    found = run(rows, np.concatenate([np.repeat(towards(0), 100, axis=0), towards(10, 90)]))
    assert found.unique["key"].to_pylist() == ["0000", "0101"]
    assert found.duplicates["similarity"].to_pylist()[:99] == [1.0] * 99


def test_keeps_the_curated_then_the_largest_then_the_first(run: Callable[..., Found]) -> None:
    roles = ["pool", "pool", "curated", "pool", "pool", "pool", "pool"]
    found = run(rows_of(roles, [90, 95, 20, 30, 40, 40, 10]), towards(0, 1, 2, 60, 61, 62, 120))
    assert found.unique["key"].to_pylist() == ["0002", "0004", "0006"]
    assert found.duplicates["key"].to_pylist() == ["0000", "0001", "0003", "0005"]
    assert found.duplicates["kept_key"].to_pylist() == ["0002", "0002", "0004", "0004"]
    assert set(found.duplicates["reason"].to_pylist()) == {"self"}
    np.testing.assert_allclose(found.duplicates["similarity"], np.cos(np.radians([2, 1, 1, 1])), atol=1e-3)
    assert found.unique.schema == SCHEMA
    assert found.duplicates.schema == DUPLICATES


def test_a_component_that_touches_an_evaluation_image_is_dropped_whole(run: Callable[..., Found]) -> None:
    # 0 and 30 are copies, 30 and 60 are; the evaluation image at 100 is near 60 alone.
    found = run(rows_of(["pool", "pool", "pool", "evaluation", "pool"]), towards(0, 30, 60, 100, -90))
    assert found.unique["key"].to_pylist() == ["0004"]
    assert found.duplicates["key"].to_pylist() == ["0000", "0001", "0002"]
    assert found.duplicates["kept_key"].to_pylist() == ["0003"] * 3
    assert set(found.duplicates["reason"].to_pylist()) == {"evaluation"}
    np.testing.assert_allclose(found.duplicates["similarity"], np.cos(np.radians([100, 70, 40])), atol=1e-3)
    assert len(set(found.duplicates["component"].to_pylist())) == 1


def test_the_bytes_of_an_evaluation_image_are_dropped(run: Callable[..., Found]) -> None:
    rows = rows_of(["pool", "evaluation", "pool"])
    rows[0]["sha256"] = rows[1]["sha256"]
    found = run(rows, towards(0, 0, 90))
    assert found.duplicates.to_pylist()[0]["kept_key"] == "0001"
    assert found.duplicates["similarity"].to_pylist() == [1.0]


def test_evaluation_images_are_in_neither_table_nor_copies_of_each_other(run: Callable[..., Found]) -> None:
    found = run(rows_of(["evaluation", "evaluation", "pool"]), towards(0, 1, 90))
    assert found.unique["key"].to_pylist() == ["0002"]
    assert found.duplicates.num_rows == 0


def test_counts_images_of_each_source_and_components_of_each_size(run: Callable[..., Found]) -> None:
    roles = ["pool", "pool", "curated", "evaluation", "pool", "curated"]
    assert run(rows_of(roles), towards(0, 1, 2, 90, 91, 180)).metrics == {
        "images": 5,
        "kept": 2,
        "sources": {
            "curated": {"kept": 2, "self": 0, "evaluation": 0},
            "pool": {"kept": 0, "self": 2, "evaluation": 1},
        },
        "components": {"1": 2, "3": 1},
    }


def test_without_training_images_the_error_says_so(run: Callable[..., Found]) -> None:
    with pytest.raises(DataError, match="no image has the role pool or curated"):
        run(rows_of(["evaluation"]), towards(0))


def test_no_image_left_is_an_error_and_nothing_is_written(run: Callable[..., Found], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="all 1 training images are copies of evaluation images"):
        run(rows_of(["evaluation", "pool"]), towards(0, 1))
    assert not (tmp_path / "unique.parquet").exists()


def test_losing_every_curated_image_is_an_error_and_nothing_is_written(
    run: Callable[..., Found], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="all 2 curated images are copies of evaluation images"):
        run(rows_of(["evaluation", "curated", "curated", "pool"]), towards(0, 1, 2, 90))
    assert not (tmp_path / "unique.parquet").exists()


def test_indexes_of_a_job_leave_nothing_to_search(
    run: Callable[..., Found], place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    vectors = around(random.standard_normal((30, 16))[random.integers(0, 30, 120)], 0.3)
    rows = rows_of(["pool"] * 100 + ["evaluation"] * 20)
    before = run(rows, vectors)
    place.keep.store.delete("curation")

    def filled(training: Described, held_out: Described) -> None:
        for index in range(3):
            fill(training, held_out, CONFIG, ABOVE, place, index, 3)
        monkeypatch.setattr("dinov2.curation.search.work.nearest", None)

    again = run(rows, vectors, before=filled)
    assert again.unique.equals(before.unique)
    assert again.duplicates.equals(before.duplicates)


@pytest.mark.parametrize("indexes", [1, 3])
def test_equal_vectors_give_the_same_bytes_in_any_order_and_for_any_indexes(
    run: Callable[..., Found], place: Workplace, tmp_path: Path, indexes: int
) -> None:
    random = np.random.default_rng(0)
    vectors = around(random.standard_normal((20, 16)), 0)[random.integers(0, 20, 400)]
    rows = rows_of(["pool"] * 360 + ["evaluation"] * 40)

    def filled(training: Described, held_out: Described) -> None:
        for index in range(indexes):
            fill(training, held_out, CONFIG, ABOVE, place, index, indexes)

    def written() -> list[bytes]:
        return [(tmp_path / name).read_bytes() for name in ("unique.parquet", "duplicates.parquet")]

    assert max(map(int, run(rows, vectors).metrics["components"])) < 60
    expected = written()
    place.keep.store.delete("curation")
    order = random.permutation(400)
    run([rows[n] for n in order], vectors[order], before=filled)
    assert written() == expected


def test_what_is_kept_is_named_by_the_images_that_it_depends_on(
    place: Workplace, described: Callable[..., Described]
) -> None:
    one, other, held, more = (described([f"{n}"], towards(n)) for n in range(4))
    for training, held_out in ((one, held), (one, more), (other, held)):
        fill(training, held_out, CONFIG, ABOVE, place, 0, 1)
    kept = [name for name in place.keep.store.list("curation") if name.endswith(".npz")]
    # Equal vectors of four sets, copies of two, and leaks of three pairs: another evaluation set is no reason to search
    # for copies.
    assert len(kept) == 9


def test_finds_the_planted_copies_of_the_sample(sample_store: Store, run: Callable[..., Found]) -> None:
    folder = make_sample(sample_store)
    roles = {"pool": "pool", "curated": "curated", "labelled": "evaluation"}
    files = {f"{row['set']}/{row['file']}": row for row in truth(sample_store).to_pylist() if not row["reason"]}
    names = sorted(files)
    origin = {name: files[name]["duplicate_of"] or name for name in names}
    leaks = {n for n in names if files[n]["set"] != "labelled" and files[origin[n]]["set"] == "labelled"}
    planted = {n for n in names if files[n]["duplicate_of"]} - leaks
    descriptor = create_descriptor(HashConfig(), Path())
    images = (decode_rgb(sample_store.read(f"{folder}/{name}"), descriptor.shortest) for name in names)
    vectors = np.concatenate([descriptor.embed([image]) for image in images]).astype(np.float16)
    rows = rows_of([roles[files[name]["set"]] for name in names], names=names)
    above = Thresholds(descriptor.copies_above, descriptor.leaks_above)
    found = run(rows, vectors, above).duplicates.to_pylist()
    pairs = [(row["key"], row["kept_key"]) for row in found if row["reason"] == "self"]
    right = [pair for pair in pairs if origin[pair[0]] == origin[pair[1]]]
    assert len(right) >= 0.99 * len(pairs)
    assert len(right) >= 0.95 * len(planted)
    dropped = {row["key"] for row in found if row["reason"] == "evaluation"}
    assert leaks <= dropped
    assert len(dropped) <= 1.1 * len(leaks)
