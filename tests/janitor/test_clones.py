"""Clones go when nobody works in them, and never while somebody does."""

import subprocess
from pathlib import Path

import pytest

from dinov2.errors import UserError
from dinov2.janitor.wanted import Wanted
from dinov2.stages.context import Context
from flows.locks import sole_pipeline
from tests.flows.conftest import wait_for
from tests.janitor.conftest import age, at_work, found, write


def clone(context: Context, name: str, days: float) -> Path:
    """A real clone with files in it, so old."""
    folder = context.root / "var/runs" / name
    subprocess.run(["git", "clone", "--quiet", str(context.root), str(folder)], check=True)
    write(folder / "weights/pretrain.safetensors", b"x" * 1000)
    return age(folder, days)


def test_an_old_clone_goes_and_a_recent_one_stays(context: Context) -> None:
    old, recent = clone(context, "old", 11), clone(context, "recent", 9)
    leftovers = found(context, "clone")
    assert list(leftovers) == ["var/runs/old"]
    assert leftovers["var/runs/old"].size_bytes > 1000
    assert "11 days" in leftovers["var/runs/old"].why
    assert old.exists(), "looking changes nothing"
    leftovers["var/runs/old"].remove()
    assert [path.name for path in (context.root / "var/runs").iterdir()] == [recent.name]


def test_one_file_that_was_written_lately_keeps_a_clone(context: Context) -> None:
    write(clone(context, "busy", 30) / "var/logs/pretrain.log")
    assert not found(context, "clone")


def test_looking_at_a_clone_with_git_and_dvc_does_not_make_it_young(context: Context) -> None:
    folder = clone(context, "old", 30)
    write(folder / ".dvc/tmp/rwlock")
    write(folder / ".git/index.lock")
    assert list(found(context, "clone")) == ["var/runs/old"]


def test_the_reason_tells_what_is_lost(context: Context) -> None:
    for name in ("recorded", "failed", "reproduce-s-1", ".half.draft"):
        clone(context, name, 30)
    subprocess.run(["git", "branch", "runs/recorded"], cwd=context.root, check=True)
    reasons = {name: each.why for name, each in found(context, "clone").items()}
    assert "recorded as runs/recorded" in reasons["var/runs/recorded"]
    assert "never recorded" in reasons["var/runs/failed"]
    assert "a reproduction" in reasons["var/runs/reproduce-s-1"]
    assert "half made" in reasons["var/runs/.half.draft"]


def test_a_process_that_lives_in_a_clone_keeps_it_until_it_is_killed(context: Context) -> None:
    folder = clone(context, "old", 30)
    with at_work(folder / "weights") as process:
        assert not found(context, "clone")
        process.kill()
        process.wait()
        assert list(found(context, "clone")) == ["var/runs/old"]


def test_a_process_that_reads_a_file_of_a_clone_keeps_it(context: Context, tmp_path: Path) -> None:
    file = clone(context, "old", 30) / "weights/pretrain.safetensors"
    script = f"file = open({str(file)!r}); print('open', flush=True); import time; time.sleep(600)"
    with at_work(tmp_path, script) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "open\n"
        assert not found(context, "clone")


def test_the_lock_of_a_pipeline_keeps_a_clone(context: Context, tmp_path: Path) -> None:
    lock = write(clone(context, "old", 30) / "var/pipeline.lock")
    age(lock, 30)
    script = (
        f"import fcntl, os, time; file = os.open({str(lock)!r}, os.O_RDWR); fcntl.flock(file, fcntl.LOCK_EX); "
        "print('locked', flush=True); time.sleep(600)"
    )
    with at_work(tmp_path, script) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "locked\n"
        assert not found(context, "clone")
        holder.kill()
        holder.wait()
        wait_for(lambda: found(context, "clone"), 10)


def test_the_run_that_holds_the_workspace_keeps_its_clone(context: Context) -> None:
    clone(context, "current", 30)
    clone(context, "other", 30)
    with sole_pipeline(context.root, "current"):
        assert list(found(context, "clone")) == ["var/runs/other"]
    assert list(found(context, "clone")) == ["var/runs/current", "var/runs/other"]


def test_who_begins_to_work_there_after_the_look_is_spared(context: Context) -> None:
    folder = clone(context, "old", 30)
    leftover = found(context, "clone")["var/runs/old"]
    with at_work(folder) as process:
        with pytest.raises(UserError, match=f"process {process.pid} is at work"):
            leftover.remove()
        assert (folder / "params.yaml").is_file()


def test_a_clone_whose_run_failed_and_has_checkpoints_stays_six_times_as_long(context: Context) -> None:
    """A retry goes on from them; they are wanted as long as the clone is there to ask for them."""
    failed, recorded, done = (clone(context, name, 59) for name in ("failed", "recorded", "done"))
    subprocess.run(["git", "branch", "runs/recorded"], cwd=context.root, check=True)
    write(context.path("var/store/training/paused/00000100.complete"))
    paused = frozenset({"paused"})
    wanted = Wanted(paused, frozenset(), {}, {failed: paused, recorded: paused, done: frozenset({"finished"})})
    assert list(found(context, "clone", wanted)) == ["var/runs/done", "var/runs/recorded"]
    age(failed, 61)
    assert "var/runs/failed" in found(context, "clone", wanted)


def test_so_does_a_failed_clone_of_which_it_is_not_known(context: Context) -> None:
    failed = clone(context, "failed", 59)
    wanted = Wanted(frozenset(), frozenset(), {failed: "params.yaml: an unknown key"})
    assert not found(context, "clone", wanted)
    age(failed, 61)
    assert found(context, "clone", wanted)


def test_figures_that_mlflow_never_got_outlive_the_clone(context: Context) -> None:
    folder = clone(context, "old", 1)
    for name, lines in (("aaaa", b'{"kind": "open"}\n'), ("bbbb", b'{"n": 2}\n')):
        write(folder / f"var/tracking/{name}.jsonl", lines)
    kept = write(context.path("var/tracking/bbbb.jsonl"), b'{"n": 1}\n')
    age(folder, 30)
    found(context, "clone")["var/runs/old"].remove()
    assert not folder.exists()
    assert kept.read_text() == '{"n": 1}\n{"n": 2}\n'
    assert kept.with_name("aaaa.jsonl").read_text() == '{"kind": "open"}\n'


def test_images_that_a_clone_links_to_stay(context: Context) -> None:
    photographs = context.root / "photographs"
    write(photographs / "one.jpg")
    folder = clone(context, "old", 1)
    (folder / "photographs").symlink_to(photographs)
    age(folder, 30)
    found(context, "clone")["var/runs/old"].remove()
    assert not folder.exists()
    assert (photographs / "one.jpg").read_bytes() == b"content"
