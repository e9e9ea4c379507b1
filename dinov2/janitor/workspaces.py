"""The workspace and the clones of its runs, and whether anybody is at work in one."""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from dinov2.runs.names import FOLDER
from dinov2.stages.context import Context
from dinov2.stages.params import load_params

LOCK = "var/pipeline.lock"
"""What a pipeline holds a lock on in the workspace that it works in."""
TOOLS = frozenset((".git", ".dvc"))
"""Folders that looking at a workspace changes."""


@dataclass(frozen=True)
class Workspace:
    """The workspace itself, or the clone of a run."""

    root: Path
    origin: Context
    busy: bool
    """Whether a pipeline may be at work in it."""

    def context(self) -> Context:
        """It with its own parameters, and the places of the workspace that it was cloned from.

        Raises:
            ConfigError: its parameters are wrong.
        """
        origin = self.origin
        places = {"store": origin.store.url, "scratch": str(origin.scratch)}
        if origin.settings.checkpoints:
            places["checkpoints"] = origin.checkpoints.url
        return Context(self.root, load_params(self.root), origin.settings.model_copy(update=places))


def workspaces(context: Context) -> Iterator[Workspace]:
    """The workspace, and the whole clones in it."""
    current = holder(context.root)
    yield Workspace(context.root, context, current is not None)
    for folder in run_folders(context.root):
        if not folder.name.startswith(".") and (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            yield Workspace(folder, context, folder.name == current)


def run_folders(root: Path) -> list[Path]:
    """Folders of runs, drafts of such included."""
    folder = root / FOLDER
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def measured(path: Path) -> tuple[int, float | None]:
    """Bytes of a file or of all files in a folder, and when one was last written to, in seconds since 1970.

    What git and DVC keep for themselves has a size, but its times say nothing.
    """
    size, times = 0, []
    for file in [path] if path.is_file() else _files(path):
        with contextlib.suppress(FileNotFoundError):  # gone since it was listed
            info = file.lstat()
            size += info.st_size
            if not TOOLS & set(file.relative_to(path.parent).parts):
                times.append(info.st_mtime)
    return size, max(times, default=None)


def _files(folder: Path) -> Iterator[Path]:
    """Files below a folder; links are not followed."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent) / name for name in names)


def holder(root: Path) -> str | None:
    """The run that holds a workspace, as the lock tells; empty if it has no name, None if there is none."""
    lock = root / LOCK
    told = re.fullmatch(r"(\d+)(?:, run (.+))?", lock.read_text(encoding="utf-8")) if lock.is_file() else None
    return told[2] or "" if told and psutil.pid_exists(int(told[1])) else None


def used_by(folder: Path) -> str:
    """Who is at work in a folder: a process that lives there or has a file of it open; empty if nobody is."""
    folder = folder.resolve()
    if _locked(folder / LOCK):
        return "a pipeline"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # it has ended, or is another user's
            at = [process.cwd(), *(file.path for file in process.open_files())]
            if any(Path(path).is_relative_to(folder) for path in at):
                return f"process {process.pid}"
    return ""


def _locked(path: Path) -> bool:
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is none
        return False
    return False
