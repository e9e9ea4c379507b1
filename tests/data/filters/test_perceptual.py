from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import duckdb
import numpy as np
import pytest
import scipy.fft

from dinov2.data.filters.perceptual import dct_hash
from dinov2.data.filters.protocol import Filter
from dinov2.data.tables import database
from tests.data.filters.conftest import encoded, resized

Row = tuple[str, str, int, int, int | None]
"""key, role, width, height, hash"""


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with database(tmp_path, 0.25, 2) as connection:
        yield connection


def left_out(own: Filter, tables: duckdb.DuckDBPyConnection, rows: list[Row]) -> dict[str, str]:
    tables.execute("CREATE TABLE images (key VARCHAR, role VARCHAR, width INTEGER, height INTEGER, hash UBIGINT)")
    tables.executemany("INSERT INTO images VALUES (?, ?, ?, ?, ?)", rows)
    return dict(tables.execute(f"SELECT key, detail FROM ({own.among_all(tables)})").fetchall())


def greedy(rows: list[Row], bits: int) -> set[str]:
    """From the best to the worst, everything is compared with all that was kept."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: (-row[2] * row[3], row[0])):
        if all((row[4] ^ other[4]).bit_count() > bits for other in kept):
            kept.append(row)
    return {row[0] for row in rows} - {row[0] for row in kept}


@pytest.mark.parametrize("bits", [0, 1, 2, 3, 5, 8])
def test_multi_index_hashing_finds_what_comparing_all_does(
    bits: int, create: Callable, tables: duckdb.DuckDBPyConnection
) -> None:
    rng = np.random.default_rng(bits)
    centres = rng.integers(0, 2**63, 40, dtype=np.uint64) * 2 + rng.integers(0, 2, 40, dtype=np.uint64)
    rows: list[Row] = []
    for number in range(400):
        value = int(rng.choice(centres))
        for bit in rng.choice(64, rng.integers(0, 7), replace=False):
            value ^= 1 << int(bit)
        rows.append((f"web/{number:03}", "pool", int(rng.integers(40, 50)), 40, value))
    found = left_out(create(kind="perceptual", bits=bits), tables, rows)
    hashes = {row[0]: row[4] for row in rows}
    assert set(found) == greedy(rows, bits)
    assert len(found) > 10
    for key, detail in found.items():
        _, _, kept, distance, *_ = detail.replace(",", "").split()
        assert kept not in found
        assert (hashes[key] ^ hashes[kept]).bit_count() == int(distance) <= bits


def test_the_curated_is_kept_then_the_largest_and_nothing_that_is_evaluated_takes_part(
    create: Callable, tables: duckdb.DuckDBPyConnection
) -> None:
    top = 2**64 - 1
    rows: list[Row] = [
        ("a", "pool", 40, 40, top), ("b", "pool", 50, 40, top), ("c", "curated", 10, 10, top),
        ("d", "evaluation", 90, 90, top), ("e", "evaluation", 90, 90, top), ("f", "pool", 90, 90, 0),
        ("g", "pool", 40, 40, None), ("h", "pool", 40, 40, None), ("i", "pool", 40, 40, 7), ("j", "pool", 50, 40, 7),
    ]  # fmt: skip
    said = "looks like {}, 0 of 64 bits differ".format
    assert left_out(create(kind="perceptual"), tables, rows) == {"a": said("c"), "b": said("c"), "i": said("j")}


def test_a_chain_is_not_drawn_into_one(create: Callable, tables: duckdb.DuckDBPyConnection) -> None:
    rows: list[Row] = [("a", "pool", 90, 90, 0b0), ("b", "pool", 80, 80, 0b11), ("c", "pool", 70, 70, 0b1111)]
    found = left_out(create(kind="perceptual", bits=2), tables, rows)
    assert found == {"b": "looks like a, 2 of 64 bits differ"}, "c is not like a, which is the one that stays"


def test_the_hash_is_that_of_the_definition(photographs: dict[str, np.ndarray]) -> None:
    for image in photographs.values():
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float64)
        small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA)
        low = scipy.fft.dctn(small, norm="ortho")[1:9, 1:9].ravel()
        expected = sum(1 << (63 - place) for place, value in enumerate(low) if value > np.median(low))
        found = dct_hash(image)
        assert found is not None
        assert (found ^ expected).bit_count() <= 2  # float32 on the other side of the median


def test_resized_and_recompressed_copies_go_and_other_photographs_stay(
    take_in: Callable, photographs: dict[str, np.ndarray]
) -> None:
    files = {f"0{name}.png": encoded(image, "PNG") for name, image in photographs.items()}
    for name, image in photographs.items():
        files[f"a_{name}.jpg"] = encoded(resized(image, 200, 150), quality=60)
        files[f"b_{name}.jpg"] = encoded(image, quality=30)
    flat = {f"flat{level}.png": encoded(np.full((90, 90, 3), level, np.uint8), "PNG") for level in (0, 200)}
    found = take_in(files | flat, {"kind": "perceptual", "bits": 6})
    assert set(found.rows) == {f"web/0{name}.png" for name in photographs} | {f"web/{name}" for name in flat}
    for key, (reason, detail) in found.rejects.items():
        assert reason == "perceptual"
        assert detail.startswith(f"looks like web/0{key.split('_')[1].removesuffix('.jpg')}.png, ")
    assert found.filters == {"perceptual": {"rejected": 6}}
