from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.data.manifest import SCHEMA, read_manifest, write_manifest
from dinov2.errors import DataError


def rows(*keys: str) -> pa.Table:
    one = {"uri": "u", "sha256": "0", "width": 40, "height": 50, "bytes": 9}
    two = {"source": "s", "role": "pool", "split": "train", "label": None}
    return pa.Table.from_pylist([{"key": key, **one, **two} for key in keys], SCHEMA)


def test_rows_come_back_sorted_and_any_order_gives_the_same_bytes(tmp_path: Path) -> None:
    write_manifest(tmp_path / "a.parquet", rows("s/b", "s/ä", "s/a"))
    write_manifest(tmp_path / "b.parquet", pa.concat_tables([rows("s/ä"), rows("s/a", "s/b")]))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read_manifest(tmp_path / "a.parquet").equals(rows("s/a", "s/b", "s/ä"))


def test_what_is_no_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such manifest"):
        read_manifest(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("key,uri\n")
    with pytest.raises(DataError, match=r"text\.parquet: not a Parquet file"):
        read_manifest(tmp_path / "text.parquet")
    pq.write_table(pa.table({"key": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match=r"other.parquet: has columns \['key'\]"):
        read_manifest(tmp_path / "other.parquet")
