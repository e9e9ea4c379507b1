"""The command `dinov2 diff` in a workspace of real files, a real git repository and real DVC."""

import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.curation.shards import shard_names, write_shard
from dinov2.errors import DataError
from dinov2.settings import Settings
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.diff import diff
from dinov2.stages.params import load_params

ROOT = Path(__file__).parents[2]
DESCRIPTOR, DIM = "0123456789abcdef", 8
NAMES = ("key", "sha256", "source", "reason", "query", "similarity", "cluster", "method", "descriptor")
TYPES = {"similarity": pa.float32(), "cluster": pa.int32()}
SCHEMA = pa.schema([(name, TYPES.get(name, pa.string())) for name in NAMES])


def sha256(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def curated(path: Path, numbers: Iterable[int], descriptor: str | None = DESCRIPTOR) -> None:
    why = ("retrieved", "q", 0.5, 1, "sample", descriptor)
    rows = [dict(zip(NAMES, (f"web/{n:04}", sha256(n), "web", *why), strict=True)) for n in numbers]
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A workspace whose store has vectors of images 0 to 99; nothing is curated yet."""
    context = Context(tmp_path, load_params(ROOT), Settings(store="var/store", threads=1, device="cpu"))
    vectors = np.random.default_rng(0).standard_normal((100, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    write_shard(context.store, DESCRIPTOR, [sha256(n) for n in range(100)], vectors)
    return context


def outcome(context: Context) -> dict:
    return json.loads(context.path("out/summary.json").read_text())


def test_two_files_are_compared(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    curated(context.path("old.parquet"), range(60))
    curated(context.path(files.CURATED), range(20, 100))
    diff(context, "old.parquet", None, "out")
    assert outcome(context)["images"] == {"old": 60, "new": 80, "added": 40, "removed": 20, "changed": 0, "kept": 40}
    assert set(outcome(context)["drift"]) >= {"frechet", "mmd2_p"}
    with context.path("out/table.csv").open(newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["by"], first["old"], first["new"], first["added"]) == ("all", "60", "80", "40")
    changes = pq.read_table(context.path("out/changes.parquet"))
    assert sorted(set(changes["change"].to_pylist())) == ["added", "removed"]
    assert changes.num_rows == 60
    assert context.path("out/drift.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "web: 60 -> 80 images, 40 added, 20 removed" in said
    assert "Fréchet distance" in said
    assert not [path for path in context.scratch.rglob("*") if path.is_file()]


def test_what_was_written_is_the_same_bytes_again(context: Context) -> None:
    curated(context.path("old.parquet"), range(60))
    curated(context.path("new.parquet"), range(20, 100))
    names = ("table.csv", "changes.parquet", "summary.json", "drift.png")
    written = []
    for _ in range(2):
        diff(context, "old.parquet", "new.parquet", "out")
        written.append([context.path(f"out/{name}").read_bytes() for name in names])
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (DESCRIPTOR, "0" * 16, f"has no vectors of descriptor {'0' * 16}"),
        ("0" * 16, "0" * 16, f"has no vectors of descriptor {'0' * 16}"),
        (None, None, r"neither manifest names a descriptor, and there is no data/embeddings"),
    ],
)
def test_why_drift_is_not_measured_is_said(
    context: Context, capsys: pytest.CaptureFixture[str], old: str | None, new: str | None, why: str
) -> None:
    curated(context.path("old.parquet"), range(10), old)
    curated(context.path("new.parquet"), range(12), new)
    diff(context, "old.parquet", "new.parquet", "out")
    assert outcome(context)["drift"] is None
    assert why in outcome(context)["no_drift_because"]
    assert why in capsys.readouterr().out
    assert outcome(context)["images"]["added"] == 2


def test_a_descriptor_that_changed_measures_both_sides_on_what_it_has_described(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    curated(context.path("old.parquet"), [*range(60), *range(100, 105)], "0" * 16)  # the last ones are gone since
    curated(context.path("new.parquet"), range(20, 100))
    diff(context, "old.parquet", "new.parquet", "out")
    assert "descriptor of the new manifest, which knows 60 of the 65 old images" in capsys.readouterr().out
    changed = outcome(context)["drift"]
    curated(context.path("old.parquet"), range(60))
    diff(context, "old.parquet", "new.parquet", "out")
    assert changed == outcome(context)["drift"] is not None


def test_a_damaged_shard_of_other_images_does_no_harm(context: Context) -> None:
    others = [write_shard(context.store, DESCRIPTOR, [sha256(n)], np.ones((1, DIM))) for n in range(200, 220)]
    name = shard_names(context.store, DESCRIPTOR)[0]
    assert name in others
    context.store.write(f"{name}.npy", b"damaged")
    curated(context.path("old.parquet"), range(60))
    curated(context.path("new.parquet"), range(20, 100))
    diff(context, "old.parquet", "new.parquet", "out")
    assert outcome(context)["drift"]


def test_images_without_vectors_are_named(context: Context) -> None:
    curated(context.path("old.parquet"), range(10))
    curated(context.path("new.parquet"), range(120))
    diff(context, "old.parquet", "new.parquet", "out")
    assert "web/0100: no vector of descriptor" in outcome(context)["no_drift_because"]


@pytest.fixture
def revisions(context: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The workspace as a repository of git and DVC: 60 images in the first commit, 80 in the second."""
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")

    def run(*command: str) -> None:
        subprocess.run(command, cwd=context.root, check=True, capture_output=True)

    dvc = (sys.executable, "-m", "dvc")
    run("git", "init", "--quiet")
    run("git", "config", "user.email", "someone@example.org")
    run("git", "config", "user.name", "Someone")
    run(*dvc, "init", "--quiet")
    for images in (range(60), range(20, 100)):
        curated(context.path(files.CURATED), images)
        run(*dvc, "add", "--quiet", files.CURATED)
        run("git", "add", "data", ".dvc", ".dvcignore")
        run("git", "commit", "--quiet", "-m", f"{len(images)} images")
    return context


@pytest.mark.slow
def test_revisions_are_compared_and_unknown_ones_refused_in_one_line(revisions: Context) -> None:
    diff(revisions, "HEAD~1", "HEAD", "out")
    between = outcome(revisions)
    assert between["images"] == {"old": 60, "new": 80, "added": 40, "removed": 20, "changed": 0, "kept": 40}
    diff(revisions, "HEAD~1", None, "out")
    assert outcome(revisions)["images"] == between["images"]
    assert outcome(revisions)["drift"] == between["drift"]
    for name in ("HEAD~9", "no-branch"):
        with pytest.raises(DataError, match=f"'{name}': neither a file nor a revision") as told:
            diff(revisions, name, None, "out")
        assert "\n" not in str(told.value)
    for blob in revisions.path(".dvc/cache").rglob("*"):
        if blob.is_file():
            blob.unlink()
    with pytest.raises(DataError, match=r"HEAD~1: the revision has no data/curated\.parquet, or DVC's cache lacks it"):
        diff(revisions, "HEAD~1", None, "out")


@pytest.mark.parametrize(("name", "fault"), [("none.parquet", "no such file"), ("notes.txt", "not a Parquet file")])
def test_what_is_no_manifest_is_refused_and_nothing_is_written(context: Context, name: str, fault: str) -> None:
    curated(context.path(files.CURATED), range(3))
    context.path("notes.txt").write_text("notes")
    with pytest.raises(DataError, match=f"{name}: {fault}"):
        diff(context, name, None, "out")
    assert not context.path("out").exists()
