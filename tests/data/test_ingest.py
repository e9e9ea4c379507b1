import os
import random
import tarfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.data import sources
from dinov2.data.config import SourceConfig
from dinov2.data.folder import FolderSource
from dinov2.data.images import decode_rgb
from dinov2.data.sources import ImageReader
from dinov2.errors import DataError
from dinov2.storage import Store
from tests.data.ingesting import Numbered, fill, take_in

FILES = ("manifest.parquet", "rejects.parquet")


def test_every_file_is_a_row_or_a_reject(pool: Path) -> None:
    found = take_in(pool)
    assert found.manifest.num_rows == 101
    assert found.rejects.select(["key", "reason"]).to_pylist() == [
        {"key": "web/1/cut.jpg", "reason": "truncated"},
        {"key": "web/cut.jpg", "reason": "truncated"},
        {"key": "web/empty.png", "reason": "empty"},
        {"key": "web/text.jpg", "reason": "unreadable"},
    ]
    assert found.metrics["rejects"] == {"empty": 1, "truncated": 2, "unreadable": 1}
    assert found.metrics["sources"]["web"]["images"] == found.metrics["images"] == 101
    assert "web/0/ü 写真.jpg" in found.manifest["key"].to_pylist()


def test_rows_tell_the_truth_about_their_files(pool: Path) -> None:
    found = take_in(pool)
    reader = ImageReader([SourceConfig(name="web", uri="pool", role="pool")], Store("store", pool), pool)
    for row in found.manifest.to_pylist()[::10]:
        data = reader.read(row["source"], row["uri"])
        assert decode_rgb(data).shape[:2] == (row["height"], row["width"])
        assert (len(data), row["role"], row["split"]) == (row["bytes"], "pool", "train")
    assert found.manifest["key"].to_pylist() == sorted(found.manifest["key"].to_pylist())


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_threads_and_the_order_of_a_listing_change_nothing(
    threads: int, pool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = take_in(pool)
    files = [(pool / name).read_bytes() for name in FILES]

    class Shuffled(FolderSource):
        def entries(self):
            found = list(super().entries())
            random.Random(threads).shuffle(found)
            return iter(found)

    monkeypatch.setitem(sources.KINDS, "*", Shuffled)
    found = take_in(pool, threads=threads, store="another")
    assert [(pool / name).read_bytes() for name in FILES] == files
    assert found.metrics == expected.metrics


def test_labelled_images_are_held_out_by_their_keys(tmp_path: Path, numbered: Numbered) -> None:
    labelled = SourceConfig(name="lab", uri="lab", role="curated", test_fraction=0.4)
    fill(tmp_path / "pool", {"a.jpg": numbered(0)})
    fill(tmp_path / "lab", {f"{'cat' if n % 2 else 'dog'}/{n}.jpg": numbered(n) for n in range(200)})
    before = {row["key"]: row for row in take_in(tmp_path, labelled).manifest.to_pylist()}
    held_out = [row for row in before.values() if row["split"] == "test"]
    assert 60 < len(held_out) < 100
    assert {row["role"] for row in held_out} == {"evaluation"}
    assert {row["label"] for row in before.values()} == {"cat", "dog", None}
    fill(tmp_path / "lab", {f"bird/{n}.jpg": numbered(n) for n in range(50)})
    after = {row["key"]: row for row in take_in(tmp_path, labelled).manifest.to_pylist()}
    assert all(after[key] == row for key, row in before.items()), "new images moved old ones"


def test_folders_decide_the_split_where_they_are_named_for_it(tmp_path: Path, numbered: Numbered) -> None:
    fill(tmp_path / "pool", {"a.jpg": numbered(0)})
    fill(tmp_path / "lab", {f"{s}/{c}/{n}.jpg": numbered(n) for s in ("train", "val") for c in "ab" for n in range(9)})
    found = take_in(tmp_path, SourceConfig(name="lab", uri="lab", role="curated", test_fraction=0.9))
    for row in found.manifest.to_pylist()[:-1]:
        _, folder, label, _ = row["key"].split("/")
        assert (row["split"], row["label"]) == ({"train": "train", "val": "test"}[folder], label)
        assert row["role"] == ("evaluation" if row["split"] == "test" else "curated")


def test_tars_lists_and_folders_give_the_same_images(tmp_path: Path, numbered: Numbered) -> None:
    names = [f"{n}.jpg" for n in range(10)]
    fill(tmp_path / "pool", {name: numbered(n) for n, name in enumerate(names)})
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        tar.add(tmp_path / "pool", "pool")
    pq.write_table(pa.table({"url": [f"pool/{name}" for name in names] + [None, "gone.jpg"]}), tmp_path / "l.parquet")
    uris = {"tar": "all.tar", "list": "l.parquet"}
    found = take_in(tmp_path, *(SourceConfig(name=name, uri=uri, role="pool") for name, uri in uris.items()))
    digests = [
        found.manifest.filter(pa.compute.equal(found.manifest["source"], name))["sha256"] for name in ("web", *uris)
    ]
    assert digests[0].to_pylist() == digests[1].to_pylist() == digests[2].to_pylist()
    assert [row["key"] for row in found.rejects.to_pylist()] == ["list/gone.jpg", "list/row 10"]


def test_a_source_without_a_usable_image_ends_the_run_with_what_was_seen(tmp_path: Path) -> None:
    fill(tmp_path / "pool", {"a.jpg": b"text", "b.jpg": b"", "c.jpg": b"text", "d.txt": b"text"})
    with pytest.raises(DataError) as caught:
        take_in(tmp_path)
    expected = "source web: pool: no usable image; 3 files were seen, rejected as: 1 empty, 2 unreadable"
    assert str(caught.value) == expected
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"source web: empty: no usable image; 0 files were seen$"):
        take_in(tmp_path, pool="empty")
    with pytest.raises(DataError, match="source web: none does not exist"):
        take_in(tmp_path, pool="none")


def test_files_that_vanish_or_cannot_be_named_are_rejected(tmp_path: Path, numbered: Numbered) -> None:
    fill(tmp_path / "pool", {"a.jpg": numbered(0), "b.jpg": numbered(1)})
    (tmp_path / "pool" / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    with open(os.fsencode(tmp_path / "pool") + b"/caf\xe9.jpg", "wb") as file:  # noqa: PTH123
        file.write(numbered(2))
    found = take_in(tmp_path)
    assert found.manifest["key"].to_pylist() == ["web/a.jpg", "web/b.jpg"]
    assert {row["key"]: row["detail"] for row in found.rejects.to_pylist()} == {
        "web/caf\\xe9.jpg": "its name is not UTF-8; rename it",
        "web/gone.jpg": "cannot be read: No such file or directory",
    }


def test_of_two_names_that_are_the_same_text_the_first_counts(tmp_path: Path, numbered: Numbered) -> None:
    forms = [unicodedata.normalize(form, "é.jpg") for form in ("NFC", "NFD")]
    fill(tmp_path / "pool", {form: numbered(n) for n, form in enumerate(forms)})
    found = take_in(tmp_path)
    assert found.manifest["key"].to_pylist() == ["web/é.jpg"]
    assert found.rejects["reason"].to_pylist() == ["duplicate name"]


def test_bounds_are_those_of_the_parameters(tmp_path: Path, numbered: Numbered) -> None:
    fill(tmp_path / "pool", {"a.jpg": numbered(0)})
    assert take_in(tmp_path, min_side=90, max_pixels=120 * 90).manifest.num_rows == 1
    with pytest.raises(DataError, match="1 too small"):
        take_in(tmp_path, min_side=91)
    with pytest.raises(DataError, match="1 decompression bomb"):
        take_in(tmp_path, max_pixels=120 * 90 - 1)


def test_keys_stand_in_the_order_of_their_bytes(tmp_path: Path, numbered: Numbered) -> None:
    names = ["a.jpg", "Z.jpg", "é.jpg", "\uffee.jpg", "\U0001f600.jpg", "\U00010000.jpg", "\ue000.jpg", "aa.jpg"]
    fill(tmp_path / "pool", {name: numbered(n) for n, name in enumerate(names)})
    found = take_in(tmp_path).manifest["key"].to_pylist()
    assert found == sorted(found) == sorted(found, key=str.encode)
    assert len(found) == len(names)


def test_a_copied_list_entry_and_one_in_the_name_of_the_store_are_refused(tmp_path: Path, numbered: Numbered) -> None:
    fill(tmp_path / "pool", {"a.jpg": numbered(0), "store::blurred/a.jpg": numbered(1)})
    pq.write_table(pa.table({"url": ["pool/a.jpg"] * 2, "label": ["x", "y"]}), tmp_path / "l.parquet")
    found = take_in(tmp_path, SourceConfig(name="list", uri="l.parquet", role="pool"))
    assert [(row["key"], row["label"]) for row in found.manifest.to_pylist()] == [
        ("list/pool/a.jpg", "x"),
        ("web/a.jpg", None),
    ]
    assert [(row["key"], row["reason"]) for row in found.rejects.to_pylist()] == [
        ("list/pool/a.jpg", "duplicate name"),
        ("web/store::blurred/a.jpg", "unreadable"),
    ]


def test_real_photographs(real_photographs: Callable[[str], Path], tmp_path: Path) -> None:
    classes = SourceConfig(name="clothing", uri=str(real_photographs("clothing10")), role="curated")
    found = take_in(tmp_path, classes, pool=str(real_photographs("websoup")))
    assert found.metrics["rejected"] == 0
    counts = found.metrics["sources"]
    assert (counts["web"]["images"], counts["web"]["labels"]) == (1692, 0)
    assert (counts["clothing"]["images"], counts["clothing"]["labels"]) == (1323, 10)
