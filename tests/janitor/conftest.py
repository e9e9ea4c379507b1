"""A workspace with the sample's parameters, its files as old as a test wants them, and what a search in it finds."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dinov2.janitor import FINDERS, Leftover, Search
from dinov2.janitor.tidy import Tidied, look
from dinov2.janitor.wanted import Wanted
from dinov2.launch.claims import claim, owner_of
from dinov2.settings import Settings
from dinov2.stages.context import Context
from dinov2.stages.params import load_params

REPOSITORY = Path(__file__).parents[2]
DAYS = 10
DAY_S = 86400
NOTHING = Wanted(frozenset(), frozenset())


def write(path: Path, content: bytes = b"content") -> Path:
    """Write a file, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def age(path: Path, days: float) -> Path:
    """Have a file, or all files in a folder, be so old."""
    moment = time.time() - days * DAY_S
    for each in [path, *path.rglob("*")]:
        os.utime(each, (moment, moment), follow_symlinks=False)
    return path


def claimed(context: Context, folder: str, days: float = 30) -> None:
    """Have the workspace claim a folder of its store of checkpoints, so long ago."""
    claim(context.checkpoints, folder, context.root)
    age(Path(context.checkpoints.path(f"{folder}/claims/{owner_of(context.root)}")), days)


def searched(context: Context, kind: str, wanted: Wanted | None = NOTHING) -> Tidied:
    """What a search finds of one kind, `DAYS` days old; None has it ask the workspaces what they want."""
    search = Search(context, DAYS)
    if wanted is not None:
        vars(search)["wanted"] = wanted
    return look(search, {kind: FINDERS[kind]})


def found(context: Context, kind: str, wanted: Wanted | None = NOTHING) -> dict[str, Leftover]:
    """Leftovers of a kind by name; nothing may have failed."""
    told = searched(context, kind, wanted)
    assert not told.failures
    return {each.name: each for each in told.found}


@contextmanager
def at_work(folder: Path, script: str = "import time; time.sleep(600)") -> Iterator[subprocess.Popen[str]]:
    """A process that lives in a folder, once it has said so; killed when the block ends."""
    told = f"print('here', flush=True); {script}"
    with subprocess.Popen([sys.executable, "-c", told], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "here\n"
            yield process
        finally:
            process.kill()


def make_workspace(root: Path) -> Context:
    """A git repository with the sample's parameters and stages, in which nothing has run."""
    for name in ("params.yaml", "dvc.yaml"):
        write(root / name, (REPOSITORY / name).read_bytes())
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "first"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *command], cwd=root, check=True)
    return Context(root, load_params(root), Settings())


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A workspace of a test's own."""
    return make_workspace(tmp_path / "workspace")
