"""Checkpoints of a real store go once no run goes on from them."""

import time
from pathlib import Path

import pytest

from dinov2.errors import UserError
from dinov2.janitor import Search
from dinov2.janitor.checkpoints import find
from dinov2.janitor.wanted import Wanted
from dinov2.launch.claims import claim, claimants
from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.storage import Store
from dinov2.training.checkpoints import complete
from tests.janitor.conftest import DAY_S, DAYS, age, claimed, found, make_workspace, searched, write


def checkpoint(folder: Path, step: int, days: float) -> None:
    """A checkpoint as the training room lays it out."""
    for name in ("__0_0.distcp", ".metadata", "extra.json"):
        age(write(folder / f"{step:08}" / name, b"x" * 100), days)
    age(write(folder / f"{step:08}.complete", b"{}"), days)


@pytest.fixture
def training(context: Context) -> Path:
    """Where the store has checkpoints: those of one run are old, of another recent."""
    folder = context.root / "var/store/training"
    for step in (100, 200):
        checkpoint(folder / "0ld", step, 30)
        checkpoint(folder / "recent", step, 30)
    checkpoint(folder / "recent", 300, 1)
    for name in ("0ld", "recent"):
        claimed(context, f"training/{name}")
    return folder


def test_an_old_run_that_nobody_asks_for_goes_and_a_recent_one_stays(context: Context, training: Path) -> None:
    leftovers = found(context, "checkpoints")
    assert list(leftovers) == ["training/0ld"]
    assert leftovers["training/0ld"].size_bytes == 2 * 302
    assert "step 200; untouched for 30 days" in leftovers["training/0ld"].why
    leftovers["training/0ld"].remove()
    assert not list((training / "0ld").rglob("*.distcp"))
    assert complete(context.store, "0ld") == []
    assert complete(context.store, "recent") == [100, 200, 300]


def test_a_run_that_a_workspace_would_go_on_with_stays(context: Context, training: Path) -> None:
    assert training.exists()
    assert not found(context, "checkpoints", Wanted(frozenset({"0ld"}), frozenset()))


def test_nothing_is_touched_while_it_is_not_known_what_is_wanted(context: Context, training: Path) -> None:
    assert training.exists()
    told = searched(context, "checkpoints", Wanted(frozenset(), frozenset(), {Path("var/runs/x"): "params.yaml: sed"}))
    assert not told.found
    assert [("checkpoints: left alone" in note, "params.yaml: sed" in note) for note in told.notes] == [(True, True)]


def test_what_other_workspaces_train_or_nobody_knows_stays_and_is_told_of(
    context: Context, training: Path, tmp_path: Path
) -> None:
    """Two people with one bucket: what one does not ask for may be what the other goes on with."""
    checkpoint(training / "from-before", 100, 30)
    other = make_workspace(tmp_path / "other")
    claim(context.store, "training/0ld", other.root)
    claim(context.store, "training/theirs", other.root)
    age(write(training / "theirs/00000100/__0_0.distcp", bytes(2000)), 30)
    age(training, 30)
    assert len(claimants(context.store.list("training"), "training/0ld")) == 2
    told = searched(context, "checkpoints")
    assert [each.name for each in told.found] == ["training/recent"]
    assert [("nobody" in note, "in 3 folders" in note) for note in told.notes] == [(True, True)]


def test_a_clone_trains_for_the_workspace_that_it_is_of(context: Context, training: Path) -> None:
    checkpoint(training / "clones", 100, 30)
    clone = context.root / "var/runs/run"
    claim(context.store, "training/clones", clone)
    age(training / "clones", 30)
    assert set(found(context, "checkpoints")) == {"training/0ld", "training/clones"}
    assert not (clone / "var").exists()


def test_milestones_stay_for_good(context: Context, training: Path) -> None:
    keeping = Context(context.root, context.params, Settings(checkpoint_milestones=200))
    leftover = found(keeping, "checkpoints")["training/0ld"]
    assert leftover.size_bytes == 302
    leftover.remove()
    assert complete(context.store, "0ld") == [200]
    assert not found(keeping, "checkpoints")
    assert training.exists()


def test_a_run_that_was_gone_on_with_after_the_look_is_spared(context: Context, training: Path) -> None:
    leftover = found(context, "checkpoints")["training/0ld"]
    checkpoint(training / "0ld", 300, 0)
    with pytest.raises(UserError, match="written to since"):
        leftover.remove()
    assert complete(context.store, "0ld") == [100, 200, 300]


def test_files_that_are_no_checkpoints_stay(context: Context, training: Path) -> None:
    stranger = age(write(training / "0ld" / "notes.txt"), 30)
    lonely = age(write(training / "lonely.txt"), 30)
    found(context, "checkpoints")["training/0ld"].remove()
    assert stranger.is_file()
    assert lonely.is_file()


@pytest.mark.s3
@pytest.mark.slow
def test_those_in_s3_have_sizes_and_ages_too(bucket: Store, context: Context) -> None:
    for name in ("00000100/__0_0.distcp", "00000100.complete"):
        bucket.write(f"training/0ld/{name}", b"x" * 100)
    claim(bucket, "training/0ld", context.root)
    there = Context(context.root, context.params, Settings(store=bucket.url))
    for days, expected in ((DAYS - 1, 0), (DAYS + 1, 1)):
        search = Search(there, DAYS, now=time.time() + days * DAY_S)
        vars(search)["wanted"] = Wanted(frozenset(), frozenset())
        leftovers = list(find(search))
        assert [each.size_bytes for each in leftovers] == [200] * expected
    leftovers[0].remove()
    assert bucket.list("training") == []


def test_those_that_are_kept_apart_from_the_store_are_found_there(context: Context, training: Path) -> None:
    apart = Context(context.root, context.params, Settings(checkpoints="var/apart"))
    assert training.exists()
    assert not found(apart, "checkpoints")
    checkpoint(context.root / "var/apart/training/elsewhere", 100, 30)
    claimed(apart, "training/elsewhere")
    assert list(found(apart, "checkpoints")) == ["training/elsewhere"]
