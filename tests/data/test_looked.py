"""Rows that are kept come back, whole or not at all."""

from pathlib import Path

import pyarrow.parquet as pq

from dinov2.data.looked import LOOKED, Looked
from dinov2.storage import Store


def row(uri: str, **more: object) -> dict[str, object]:
    return {"uri": uri, "size": 9, "version": "1", "sha256": "0" * 64, "hash": 2**64 - 1, **more}


def brought(kept: Looked, path: Path) -> list[str]:
    count = kept.bring(path / "kept")
    table = pq.read_table(path / "kept")
    assert table.schema.equals(LOOKED)
    assert count == table.num_rows
    return sorted(table["uri"].to_pylist())


def test_rows_come_back_to_who_asks_for_the_same(store: Store, tmp_path: Path) -> None:
    kept = Looked(store, "one")
    assert brought(kept, tmp_path) == []
    kept.keep([])
    assert store.list("ingest") == []
    kept.keep([row("a", passes=False), row("b", reason="blank", detail="white")])
    kept.keep([row("c")])
    assert brought(kept, tmp_path) == ["a", "b", "c"]
    assert brought(Looked(store, "other"), tmp_path) == []
    assert pq.read_table(tmp_path / "kept").num_rows == 0


def test_a_blob_that_is_damaged_or_was_interrupted_is_no_obstacle(store: Store, tmp_path: Path) -> None:
    kept = Looked(store, "one")
    for uri in "abc":
        kept.keep([row(uri)])
    names = [name for name in store.list("ingest") if name.endswith(".parquet")]
    store.write(names[0], b"damaged")
    store.delete(f"{names[1]}.sha256")
    (left,) = brought(kept, tmp_path)
    assert names[0] not in store.list("ingest")
    assert names[1] in store.list("ingest"), "who writes it has not come to its checksum yet"
    for uri in sorted({"a", "b", "c"} - {left}):
        kept.keep([row(uri)])
    assert brought(kept, tmp_path) == ["a", "b", "c"]
