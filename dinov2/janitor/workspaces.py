"""The workspace and the clones of its runs, and whether anybody is at work in one."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from dinov2.runs.names import FOLDER
from dinov2.runs.pipeline_lock import holder, is_held
from dinov2.stages.context import Context
from dinov2.stages.params import load_params

WHOLE = ("params.yaml", "dvc.yaml")
"""Files of a clone that anything can be run in."""
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
        if not folder.name.startswith(".") and all((folder / name).is_file() for name in WHOLE):
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


def used_by(folder: Path) -> str:
    """Who is at work in a folder: a process that lives there or has a file of it open; empty if nobody is."""
    folder = folder.resolve()
    if is_held(folder):
        return "a pipeline"
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # it has ended, or is another user's
            at = [process.cwd(), *(file.path for file in process.open_files())]
            if any(Path(path).is_relative_to(folder) for path in at):
                return f"process {process.pid}"
    return ""
