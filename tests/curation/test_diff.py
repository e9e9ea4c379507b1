"""What a diff says of images, and its figures of drift against other computations of them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from scipy.linalg import sqrtm

from dinov2.curation.diff import CHANGES, Drift, compare, counts, draw, measure, rows
from dinov2.curation.diff.discrepancy import discrepancy
from dinov2.curation.diff.moments import Moments, frechet, moments, principal_axes
from dinov2.curation.vectors import Held
from dinov2.curation.workplace import Described
from dinov2.errors import DataError

DIM = 12
NAMES = ("key", "sha256", "source", "reason", "query", "similarity", "cluster", "method", "descriptor")
TYPES = {"similarity": pa.float32(), "cluster": pa.int32()}
COLUMNS = {name: TYPES.get(name, pa.string()) for name in NAMES}


def sha256(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def row(number: int, source: str = "web", **changes: object) -> dict:
    """Image `number`, retrieved by a sample from cluster number % 3."""
    why = {"reason": "retrieved", "query": "q", "similarity": 0.5, "cluster": number % 3, "method": "sample"}
    return (
        {"key": f"{source}/{number:04}", "sha256": sha256(number), "source": source, "descriptor": "d"} | why | changes
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[[str, list[dict]], Path]:
    def write(name: str, images: list[dict]) -> Path:
        pq.write_table(pa.Table.from_pylist(images, schema=pa.schema(COLUMNS)), tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    with duckdb.connect() as opened:
        yield opened


def found(connection: duckdb.DuckDBPyConnection) -> list[dict]:
    return [each for batch in rows(connection) for each in batch.cast(CHANGES).to_pylist()]


def table(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], tuple[int, ...]]:
    names = ("old", "new", "added", "removed", "changed", "kept")
    return {(each["by"], each["name"]): tuple(each[name] for name in names) for each in counts(connection)}


def test_every_image_is_counted_once_by_what_became_of_it(connection, manifest: Callable) -> None:
    old = [row(0), row(1), row(2), row(3, "books"), row(4, method="cluster")]
    new = [row(0), row(2, reason="curated", method=None), row(4), row(5), row(6, "books")]
    compare(connection, manifest("old", old), manifest("new", new))
    counted = table(connection)
    assert counted["all", "all"] == (5, 5, 2, 2, 2, 1)
    assert counted["source", "web"] == (4, 4, 1, 1, 2, 1)
    assert counted["source", "books"] == (1, 1, 1, 1, 0, 0)
    assert counted["why", "retrieved by sample"] == (4, 4, 2, 2, 1, 1)
    assert counted["why", "retrieved by cluster"] == (1, 0, 0, 0, 0, 0)
    assert counted["why", "curated"] == (0, 1, 0, 0, 1, 0)
    changes = {each["key"]: (each["change"], each["old_why"], each["new_why"]) for each in found(connection)}
    assert changes == {
        "web/0005": ("added", None, "retrieved by sample"),
        "books/0006": ("added", None, "retrieved by sample"),
        "web/0001": ("removed", "retrieved by sample", None),
        "books/0003": ("removed", "retrieved by sample", None),
        "web/0002": ("changed", "retrieved by sample", "curated"),
        "web/0004": ("changed", "retrieved by cluster", "retrieved by sample"),
    }


def test_clusters_are_counted_in_each_manifest_s_own_numbers(connection, manifest: Callable) -> None:
    old = [row(0, cluster=7), row(1, cluster=7), row(2, cluster=8)]
    new = [row(0, cluster=1), row(2, cluster=1), row(3, cluster=1)]
    compare(connection, manifest("old", old), manifest("new", new))
    counted = table(connection)
    assert counted["old cluster", "7"] == (2, 1, 0, 1, 0, 1)
    assert counted["old cluster", "8"] == (1, 1, 0, 0, 0, 1)
    assert counted["new cluster", "1"] == (2, 3, 1, 0, 0, 2)


def test_a_renamed_image_is_the_same_image(connection, manifest: Callable) -> None:
    compare(connection, manifest("old", [row(0)]), manifest("new", [row(0, "elsewhere")]))
    assert table(connection)["all", "all"] == (1, 1, 0, 0, 0, 1)
    assert found(connection) == []


def test_order_changes_no_byte(connection, manifest: Callable) -> None:
    old, new = [row(n) for n in range(40)], [row(n) for n in range(20, 70)]
    compare(connection, manifest("old", old), manifest("new", new))
    before = found(connection), counts(connection)
    with duckdb.connect() as other:
        compare(other, manifest("old", old[::-1]), manifest("new", new[::-1]))
        assert (found(other), counts(other)) == before


def test_a_manifest_with_other_columns_is_refused_in_one_line(manifest: Callable, tmp_path: Path) -> None:
    path = manifest("old", [row(0)])
    renamed = pq.read_table(path).rename_columns([*list(COLUMNS)[:3], "why", *list(COLUMNS)[4:]])
    pq.write_table(renamed, tmp_path / "renamed")
    (tmp_path / "text").write_text("no table")
    faults = {
        "renamed": "no column reason; it has key, .*why",
        "text": "not a Parquet file",
        "none": "no such file",
    }
    for name, fault in faults.items():
        with duckdb.connect() as connection, pytest.raises(DataError, match=f"{name}: .*{fault}") as told:
            compare(connection, path, tmp_path / name)
        assert "\n" not in str(told.value)


def test_a_manifest_from_before_descriptors_were_noted_is_read(connection, manifest: Callable, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(manifest("old", [row(0)])).drop_columns("descriptor"), tmp_path / "older")
    compare(connection, tmp_path / "older", manifest("new", [row(0), row(1)]))
    assert table(connection)["all", "all"] == (1, 2, 1, 0, 0, 1)


def gaussian(seed: int, count: int, shift: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    x = random.standard_normal((count, DIM)) @ np.random.default_rng(99).standard_normal((DIM, DIM)) + shift
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def described(tmp_path: Path, numbers: list[int], vectors: np.ndarray) -> Described:
    """Images in order of sha256, as spooled ones are."""
    order = sorted(range(len(numbers)), key=lambda place: sha256(numbers[place]))
    names = [sha256(numbers[place]) for place in order]
    digest = hashlib.sha256("".join(names).encode()).hexdigest()
    pq.write_table(pa.table({"sha256": names, "row": range(len(names))}), tmp_path / digest)
    return Described(Held(vectors[order]), tmp_path / digest, digest)


def test_moments_are_those_of_numpy_in_float64_and_join() -> None:
    x, y = gaussian(0, 20_000), gaussian(1, 5_000, 1.0)
    one, other = moments(Held(x), "moments"), moments(Held(y), "moments")
    for own, vectors in ((one, x), (other, y), (one.joined(other), np.concatenate([x, y]))):
        exact = vectors.astype(np.float64)
        np.testing.assert_allclose(own.mean, exact.mean(axis=0), atol=1e-14)
        np.testing.assert_allclose(own.covariance, np.cov(exact.T, bias=True), atol=1e-14)


def test_the_frechet_distance_is_that_of_scipy_s_square_root() -> None:
    random = np.random.default_rng(0)
    sides = []
    for rank in (DIM, 5):  # the second is singular
        half = random.standard_normal((DIM, rank))
        sides.append(Moments(10, random.standard_normal(DIM), half @ half.T))
    one, other = sides
    root = sqrtm(one.covariance @ other.covariance).real
    exact = np.square(one.mean - other.mean).sum() + np.trace(one.covariance + other.covariance - 2 * root)
    assert frechet(one, other) == pytest.approx(exact, rel=1e-5)
    assert frechet(other, one) == pytest.approx(frechet(one, other), rel=1e-7)
    assert frechet(one, one) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_of_gaussians_on_a_line_is_known() -> None:
    one = Moments(1, np.array([1.0]), np.array([[4.0]]))
    assert frechet(one, Moments(1, np.array([4.0]), np.array([[9.0]]))) == pytest.approx(3**2 + (2 - 3) ** 2)


def test_the_discrepancy_is_the_sum_over_pairs() -> None:
    x, y = gaussian(0, 30).astype(np.float64), gaussian(1, 20, 0.3).astype(np.float64)
    z = np.concatenate([x, y])
    width = np.median([np.square(a - b).sum() for n, a in enumerate(z) for b in z[:n]])

    def mean(pairs: list) -> float:
        return float(np.mean([np.exp(-np.square(a - b).sum() / width) for a, b in pairs]))

    within = [mean([(a, b) for n, a in enumerate(s) for m, b in enumerate(s) if n != m]) for s in (x, y)]
    exact = sum(within) - 2 * mean([(a, b) for a in x for b in y])
    assert discrepancy(x, y)[0] == pytest.approx(exact, abs=1e-10)


def test_the_permutations_tell_a_shift_from_chance() -> None:
    same = [discrepancy(gaussian(seed, 40), gaussian(100 + seed, 40))[1] for seed in range(20)]
    # p is uniform when nothing differs: of 20, four or fewer on one side of a half have odds of 1 in 80.
    assert 4 < sum(p < 0.5 for p in same) < 16
    assert sum(p < 0.1 for p in same) < 7
    value, p = discrepancy(gaussian(0, 100), gaussian(1, 100, 1.0))
    assert value > 0
    assert p == 0.001


def test_the_axes_are_those_of_a_singular_value_decomposition() -> None:
    x = gaussian(0, 500).astype(np.float64)
    found = principal_axes(moments(Held(x), "moments"))
    x = x.astype(np.float16).astype(np.float64)
    exact = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:2].T
    np.testing.assert_allclose(np.abs((found * exact).sum(axis=0)), 1, atol=1e-9)
    assert (found[np.abs(found).argmax(axis=0), [0, 1]] > 0).all()


def drift(connection, manifest: Callable, tmp_path: Path, old: list[int], new: list[int], vectors: np.ndarray) -> Drift:
    compare(connection, manifest("old", [row(n) for n in old]), manifest("new", [row(n) for n in new]))
    return measure(connection, described(tmp_path, old, vectors[old]), described(tmp_path, new, vectors[new]))


def test_equal_manifests_do_not_drift(connection, manifest: Callable, tmp_path: Path) -> None:
    images = list(range(300))
    same = drift(connection, manifest, tmp_path, images, images[::-1], gaussian(0, 300))
    assert same.figures["frechet"] == 0
    assert (same.figures["mmd2"], same.figures["mmd2_p"]) == (0, 1)
    assert same.figures["mean_cosine_old"] == same.figures["mean_cosine_new"]
    assert not same.added.any()
    assert not same.removed.any()
    np.testing.assert_array_equal(same.old, same.new)


def test_drift_is_seen_beside_chance(connection, manifest: Callable, tmp_path: Path) -> None:
    vectors = np.concatenate([gaussian(0, 800), gaussian(1, 400, 2.0)])
    kept = list(range(600))
    with duckdb.connect() as other:
        grown = drift(other, manifest, tmp_path, kept, list(range(800)), vectors).figures
    away = drift(connection, manifest, tmp_path, kept, list(range(300, 1200)), vectors)
    assert grown["mmd2_p"] > 0.01
    assert grown["frechet"] < grown["frechet_by_chance"]
    assert away.figures["mmd2_p"] == 0.001
    assert away.figures["frechet"] > 3 * away.figures["frechet_by_chance"]
    assert (int(away.removed.sum()), int(away.added.sum())) == (300, 600)
    x = vectors[kept].astype(np.float64)
    cosines = (x @ x.T)[~np.eye(600, dtype=bool)]
    assert away.figures["mean_cosine_old"] == pytest.approx(cosines.mean(), abs=1e-5)


def test_the_picture_is_the_same_bytes_again_and_shorter_without_vectors(
    connection, manifest: Callable, tmp_path: Path
) -> None:
    measured = drift(connection, manifest, tmp_path, list(range(200)), list(range(50, 300)), gaussian(0, 300))
    one, again, without = (tmp_path / name for name in ("one.png", "again.png", "without.png"))
    for path, shown in ((one, measured), (again, measured), (without, None)):
        draw(path, counts(connection), shown)
    pixels = np.asarray(Image.open(one).convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    assert pixels.shape[0] > 2 * Image.open(without).height
    assert one.read_bytes() == again.read_bytes()
