"""The command: it shows by default, removes when asked to, and goes on when something cannot be removed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from dinov2.errors import UserError
from dinov2.janitor import FINDERS, Leftover, Search
from dinov2.janitor.tidy import Tidied, in_bytes, look, remove, show
from dinov2.stages.context import Context
from tests.janitor.conftest import REPOSITORY, age, at_work, claimed, write


def leftover(name: str, path: Path, size: int = 1000) -> Leftover:
    return Leftover("kind", name, "not needed", size, path.unlink)


def run(root: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of the command."""
    command = [sys.executable, "-m", "dinov2.cli", "janitor", *arguments]
    environment = {"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin", "COLUMNS": "160"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def files(root: Path) -> set[str]:
    """All but what git and DVC keep for themselves."""
    found = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)) for path in found if not {".git", ".dvc"} & set(path.parts)}


@pytest.mark.slow
def test_it_shows_by_default_and_removes_when_asked_to(context: Context) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=context.root, check=True)
    old = write(context.path("var/runs/old/params.yaml"), b"x" * 5000)
    draft = write(context.path("weights/.S.safetensors.0123456789abcdef0123456789abcdef.part"))
    write(context.path("var/store/training/0ld/00000100.complete"))
    claimed(context, "training/0ld")
    for path in (old.parent, draft, context.path("var/store/training")):
        age(path, 20)
    before = files(context.root)

    code, said = run(context.root)
    assert code == 0
    assert files(context.root) == before
    assert "5 kB" in said
    assert "untouched for 20 days" in said
    assert "3 leftovers" in said
    assert "nothing was removed" in said
    assert run(context.root, "--older-than", "21") == (0, "nothing is left over\n")

    code, said = run(context.root, "--delete", "--to", "told.json")
    assert code == 0
    assert "removed clone var/runs/old (5 kB)" in said
    assert "3 of 3 leftovers removed" in said
    assert files(context.root) == {"params.yaml", "dvc.yaml", ".dvcignore", "told.json", "var/owner"}
    told = json.loads(context.path("told.json").read_text())
    assert {each["name"]: each["removed"] for each in told["found"]}["var/runs/old"] is True


def test_what_cannot_be_removed_is_told_and_the_rest_goes(context: Context, tmp_path: Path) -> None:
    clone = age(write(context.path("var/runs/old/params.yaml")).parent, 20)
    other = write(tmp_path / "other")
    told = look(Search(context, 10), {"clone": FINDERS["clone"]})
    told.found += [leftover("gone", tmp_path / "gone"), leftover("other", other)]
    said: list[str] = []
    with at_work(clone):
        remove(told, said.append)
    assert clone.is_dir()
    assert not other.exists()
    assert [each.name for each in told.removed] == ["other"]
    assert [line.split(":")[0] for line in said] == ["clone var/runs/old", "kind gone", "removed kind other (1 kB)"]
    assert told.outcome == "1 of 3 leftovers removed, 1 kB of 2.01 kB"


def test_a_kind_that_cannot_be_looked_for_hides_no_other(context: Context, tmp_path: Path) -> None:
    def broken(_: Search) -> list[Leftover]:
        raise UserError("the store refuses")

    def whole(_: Search) -> list[Leftover]:
        return [leftover("one", tmp_path / "one")]

    told = look(Search(context, 10), {"broken": lambda search: iter(broken(search)), "whole": lambda s: iter(whole(s))})
    assert [each.name for each in told.found] == ["one"]
    assert told.failures == ["broken: cannot be looked for: the store refuses"]
    console = Console(width=100, record=True, file=(tmp_path / "shown").open("w"))
    show(told, console)
    assert "the store refuses" in console.export_text()


def test_nothing_is_said_to_be_nothing() -> None:
    assert Tidied().outcome == "nothing is left over"


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1 MB"), (1.5e13, "15 TB"), (4e15, "4e+03 TB")],
)
def test_sizes_are_for_people(size: float, shown: str) -> None:
    assert in_bytes(size) == shown
