"""Files that dead processes left, and only those."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dinov2.runs import git
from dinov2.runs.clone import alone
from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.storage import atomic_path
from tests.janitor.conftest import REPOSITORY, age, at_work, claimed, found, write

SPILLING = f"""
import sys, time; sys.path.insert(0, {str(REPOSITORY)!r})
from pathlib import Path
from dinov2.data.tables import temporary_folder
with temporary_folder(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd(), "duckdb-") as folder:
    (folder / "spilled").write_bytes(bytes(5000))
    print("spilled", flush=True)
    time.sleep(600)
"""


def test_what_a_process_spilled_goes_when_it_was_killed_and_not_before(context: Context) -> None:
    context.scratch.mkdir(parents=True)
    with at_work(context.scratch, f"exec({SPILLING!r})") as process:
        assert process.stdout
        assert process.stdout.readline() == "spilled\n"
        age(context.scratch, 30)
        assert not found(context, "scratch")
        process.send_signal(signal.SIGKILL)
        process.wait()
        age(context.scratch, 1)
        assert not found(context, "scratch"), "nothing recent"
        age(context.scratch, 30)
        (leftover,) = found(context, "scratch").values()
    assert leftover.size_bytes == 5000
    assert "dead" in leftover.why
    leftover.remove()
    assert not list(context.scratch.iterdir())


def test_vectors_and_weights_that_the_store_has_too_go_when_they_are_old(context: Context) -> None:
    name = "0123456789abcdef"
    old = age(write(context.scratch / "vectors" / name / "vectors.f16").parent, 30)
    write(old / "lock")
    age(old, 30)
    weights = age(write(context.scratch / "weights" / f"{name}.safetensors"), 30)
    recent = write(context.scratch / "vectors" / name[::-1] / "vectors.f16")
    leftovers = found(context, "scratch")
    assert set(leftovers) == {str(old), str(weights)}
    for each in leftovers.values():
        each.remove()
    assert not old.exists()
    assert not weights.exists()
    assert recent.exists()


def test_what_other_programs_keep_in_a_shared_scratch_folder_stays(context: Context, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    there = Context(context.root, context.params, Settings(scratch=str(shared)))
    theirs = (
        "database/lock",
        "theirs/images-2024/lock",
        "weights/resnet.pth",
        "vectors/words/en.f16",
        "p/weights/a.h5",
    )
    ours = ("dinov2-duckdb-x1/lock", "run/dinov2-images-x2/lock", "run/weights/0123456789abcdef.safetensors")
    for name in (*theirs, *ours):
        write(shared / name)
    age(shared, 30)
    leftovers = found(there, "scratch")
    assert set(leftovers) == {str(shared / name.removesuffix("/lock")) for name in ours}
    for each in leftovers.values():
        each.remove()
    assert all((shared / name).is_file() for name in theirs)


def test_vectors_that_a_process_has_mapped_stay(context: Context, tmp_path: Path) -> None:
    vectors = age(write(context.scratch / "vectors/0123456789abcdef/vectors.f16", bytes(4096)), 30)
    script = (
        f"import mmap, time; file = open({str(vectors)!r}, 'rb'); "
        "held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ); file.close(); "
        "print('mapped', flush=True); time.sleep(600)"
    )
    with at_work(tmp_path, script) as process:
        assert process.stdout
        assert process.stdout.readline() == "mapped\n"
        assert not found(context, "scratch")


def test_a_file_that_was_never_finished_goes_when_it_is_old(context: Context) -> None:
    """Of the workspace and of the store, by the names that `atomic_path` gives."""
    drafts = []
    for place in (context.root / "weights/S.safetensors", context.root / "var/store/training/0123/00000001.complete"):
        with atomic_path(place) as draft:
            drafts.append(draft)
            write(draft)
    recent = write(drafts[0].with_name(drafts[0].name.replace("S", "B", 1)))
    hidden = age(write(context.root / "weights/.hidden.part"), 30)
    for draft in drafts:
        age(write(draft), 30)
    leftovers = found(context, "draft")
    assert set(leftovers) == set(map(str, drafts))
    for each in leftovers.values():
        each.remove()
    assert not any(draft.exists() for draft in drafts)
    assert all(path.exists() for path in (recent, hidden))


def test_what_a_reproduction_that_was_given_up_left_in_the_store_goes(context: Context) -> None:
    old = age(write(context.path("var/store/reproductions/reproduce-s-1/training/0123/00000100.complete")), 30)
    recent = write(context.path("var/store/reproductions/reproduce-s-2/training/0123/00000100.complete"))
    theirs = age(write(context.path("var/store/reproductions/reproduce-t-1/training/0123/00000100.complete")), 30)
    for name in ("reproduce-s-1", "reproduce-s-2"):
        claimed(context, f"reproductions/{name}")
    leftovers = found(context, "reproduction")
    assert list(leftovers) == ["reproductions/reproduce-s-1"]
    with at_work(write(context.path("var/runs/reproduce-s-1/params.yaml")).parent):
        assert not found(context, "reproduction")
    leftovers["reproductions/reproduce-s-1"].remove()
    assert not old.exists()
    assert recent.exists()
    assert theirs.exists()


def test_notes_of_runs_that_nobody_retries_go_when_they_are_old(context: Context) -> None:
    old = [age(write(context.path(name)), 30) for name in ("var/taken/a.jsonl", "var/promotions/a.json")]
    recent = [write(context.path(name)) for name in ("var/taken/b.jsonl", "var/promotions/b.json")]
    for each in found(context, "note").values():
        each.remove()
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in recent)


def test_a_ref_that_a_killed_process_left_goes_and_not_while_a_clone_is_made(context: Context) -> None:
    def refs() -> str:
        return git.git(context.root, "for-each-ref", "--format=%(refname)", "refs/dinov2")

    with git.reachable(context.root, "HEAD") as ref:
        with ThreadPoolExecutor(1) as beside, alone(context.path("var/runs")):
            looking = beside.submit(found, context, "git ref")
            with pytest.raises(TimeoutError):
                looking.result(0.3)
            git.git(context.root, "update-ref", "-d", ref)
        assert not looking.result()
    with git.reachable(context.root, "HEAD") as ref:
        leftovers = found(context, "git ref")
        assert list(leftovers) == [ref] == refs().split()
        leftovers[ref].remove()
        assert not refs()
    assert not found(context, "git ref")
