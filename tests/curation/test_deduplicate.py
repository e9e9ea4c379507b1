"""Deduplication against brute force in float64 and scipy's components, and on the built-in sample's planted copies."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse.csgraph import connected_components

from dinov2.curation.config import DeduplicateConfig, HashConfig
from dinov2.curation.deduplicate import copies, deduplicate
from dinov2.curation.descriptors import create_descriptor, unit
from dinov2.data.images import decode_rgb
from dinov2.data.manifest import SCHEMA
from dinov2.data.sample import make_sample, truth
from dinov2.errors import DataError
from dinov2.storage import Store

CONFIG = DeduplicateConfig(self_threshold=0.8, relative_threshold=0.7)


def manifest(roles: Sequence[str], sides: Sequence[int] | None = None, names: Sequence[str] | None = None) -> pa.Table:
    """Rows in order of key; sources are named for their role."""
    rows = [
        {
            "key": names[n] if names else f"{n:04}", "uri": "", "sha256": "", "width": sides[n] if sides else 10,
            "height": 10, "bytes": 1, "source": role, "role": role, "split": "train", "label": None,
        }
        for n, role in enumerate(roles)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def around(centres: np.ndarray, spread: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(centres.shape)
    return unit(centres + spread * noise).astype(np.float16)


def towards(*angles: float) -> np.ndarray:
    """Unit vectors in the plane, at degrees."""
    return np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1).astype(np.float16)


def test_components_are_those_of_the_exact_graph() -> None:
    random = np.random.default_rng(0)
    vectors = around(random.standard_normal((150, 16))[random.integers(0, 150, 500)], 0.35)
    exact = unit(vectors).astype(np.float64)
    _, expected = connected_components(exact @ exact.T > 0.8, directed=False)
    found = copies(vectors, 64, 0.8)
    np.testing.assert_array_equal(found[:, None] == found, expected[:, None] == expected)
    assert 1 < np.bincount(found).max() < 64


def test_more_equal_images_than_neighbours_are_one_component() -> None:
    vectors = np.concatenate([np.repeat(towards(0), 100, axis=0), towards(10, 20, 90)])
    np.testing.assert_array_equal(copies(vectors, 2, 0.98), [0] * 102 + [1])


def test_keeps_the_curated_then_the_largest_then_the_first() -> None:
    roles = ["pool", "pool", "curated", "pool", "pool", "pool", "pool"]
    found = deduplicate(manifest(roles, [90, 95, 20, 30, 40, 40, 10]), towards(0, 1, 2, 60, 61, 62, 120), CONFIG)
    assert found.unique["key"].to_pylist() == ["0002", "0004", "0006"]
    assert found.duplicates["key"].to_pylist() == ["0000", "0001", "0003", "0005"]
    assert found.duplicates["kept_key"].to_pylist() == ["0002", "0002", "0004", "0004"]
    assert set(found.duplicates["reason"].to_pylist()) == {"self"}
    np.testing.assert_allclose(found.duplicates["similarity"], np.cos(np.radians([2, 1, 1, 1])), atol=1e-3)


def test_a_component_that_touches_an_evaluation_image_is_dropped_whole() -> None:
    # 0 and 30 are copies, 30 and 60 are; the evaluation image at 100 is near 60 alone.
    found = deduplicate(manifest(["pool", "pool", "pool", "evaluation", "pool"]), towards(0, 30, 60, 100, -90), CONFIG)
    assert found.unique["key"].to_pylist() == ["0004"]
    assert found.duplicates["key"].to_pylist() == ["0000", "0001", "0002"]
    assert found.duplicates["kept_key"].to_pylist() == ["0003"] * 3
    assert set(found.duplicates["reason"].to_pylist()) == {"evaluation"}
    np.testing.assert_allclose(found.duplicates["similarity"], np.cos(np.radians([100, 70, 40])), atol=1e-3)


def test_evaluation_images_are_in_neither_table_nor_copies_of_each_other() -> None:
    found = deduplicate(manifest(["evaluation", "evaluation", "pool"]), towards(0, 1, 90), CONFIG)
    assert found.unique["key"].to_pylist() == ["0002"]
    assert found.duplicates.num_rows == 0


def test_counts_images_of_each_source_and_components_of_each_size() -> None:
    roles = ["pool", "pool", "curated", "evaluation", "pool", "curated"]
    metrics = deduplicate(manifest(roles), towards(0, 1, 2, 90, 91, 180), CONFIG).metrics
    assert metrics == {
        "images": 5,
        "kept": 2,
        "sources": {
            "curated": {"kept": 2, "self": 0, "evaluation": 0},
            "pool": {"kept": 0, "self": 2, "evaluation": 1},
        },
        "components": {"1": 2, "3": 1},
    }


def test_no_image_left_is_an_error() -> None:
    with pytest.raises(DataError, match="all 1 training images are copies of evaluation images"):
        deduplicate(manifest(["evaluation", "pool"]), towards(0, 1), CONFIG)


def test_finds_the_planted_copies_of_the_sample(sample_store: Store) -> None:
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
    rows = manifest([roles[files[name]["set"]] for name in names], names=names)
    found = deduplicate(rows, vectors, DeduplicateConfig()).duplicates.to_pylist()
    pairs = [(row["key"], row["kept_key"]) for row in found if row["reason"] == "self"]
    right = [pair for pair in pairs if origin[pair[0]] == origin[pair[1]]]
    assert len(right) >= 0.99 * len(pairs)
    assert len(right) >= 0.95 * len(planted)
    dropped = {row["key"] for row in found if row["reason"] == "evaluation"}
    assert leaks <= dropped
    assert len(dropped) <= 1.1 * len(leaks)
