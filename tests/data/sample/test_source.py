from pathlib import Path

import pytest

from dinov2.data.config import SourceConfig
from dinov2.data.sample import SampleSource, truth
from dinov2.errors import DataError
from dinov2.storage import Store


def source(uri: str, store: Store) -> SampleSource:
    return SampleSource(SourceConfig(name="s", uri=uri, role="pool"), store, Path())


def test_the_digest_needs_no_sample(tmp_path: Path, sample_store: Store) -> None:
    empty = Store(str(tmp_path))
    assert source("sample:pool", empty).listing_digest() == source("sample:pool", sample_store).listing_digest()
    assert empty.list("sample") == []


@pytest.mark.parametrize("group", ["pool", "curated", "labelled"])
def test_entries_are_the_files_of_a_set(group: str, sample_store: Store) -> None:
    expected = {row["file"] for row in truth(sample_store).to_pylist() if row["set"] == group}
    found = source(f"sample:{group}", sample_store)
    entries = list(found.entries())
    assert {entry.path for entry in entries} == expected
    assert all((entry.folders and "/" in entry.folders) == (group != "pool") for entry in entries)
    assert found.read(entries[0].uri)


def test_a_set_that_does_not_exist_is_named(sample_store: Store) -> None:
    with pytest.raises(DataError, match="sample:cats: no such set of the sample; allowed: sample:pool, sample:curated"):
        source("sample:cats", sample_store)
