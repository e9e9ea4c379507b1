"""A small workspace whose stages are real commands, and what runs in it."""

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
MARK = "DINOV2_TEST_MARK"

STAGES = """
stages:
  first:
    cmd: echo one > first.txt && echo first >> ran.log
    deps: [input.txt]
    outs: [first.txt]
  distill:
    matrix:
      student: [S, B]
    cmd: cat first.txt second.txt > ${item.student}.txt && echo ${item.student} >> ran.log
    deps: [first.txt, second.txt]
    outs: ["${item.student}.txt"]
  second:
    cmd: echo two > second.txt && echo second >> ran.log
    outs: [second.txt]
  last:
    cmd: cat S.txt B.txt > last.txt && echo last >> ran.log
    deps: [S.txt, B.txt]
    outs: [last.txt]
"""


@dataclass(frozen=True)
class Workspace:
    """A workspace; every process started in it carries a mark, by which `processes` finds it and its descendants."""

    root: Path
    mark: str

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start this Python with `arguments` in the workspace."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "DINOV2_"))}
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**kept, **environment, MARK: self.mark, "DVC_NO_ANALYTICS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run it to its end; exit code and output."""
        with self.start(*arguments, **environment) as process:
            output, _ = process.communicate()
            return process.returncode, output

    def processes(self) -> list[psutil.Process]:
        """Those of this workspace that are alive."""
        return [each for each in psutil.process_iter() if self._is_marked(each)]

    def ran(self) -> list[str]:
        """Names of the stages that really ran, in order, since the last time this was asked."""
        log = self.root / "ran.log"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names

    def write(self, name: str, text: str) -> None:
        """Write a file of the workspace."""
        (self.root / name).write_text(text)

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.mark
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.05)


def make_workspace(root: Path) -> Workspace:
    """A git and DVC repository with `STAGES`; nothing has run in it."""
    workspace = Workspace(root, uuid.uuid4().hex)
    root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    workspace.run("-m", "dvc", "init", "--quiet")
    workspace.write("dvc.yaml", STAGES)
    workspace.write("input.txt", "input\n")
    for name in ("params.yaml", "prefect.yaml"):
        shutil.copy(REPOSITORY / name, root)
    # Deployments name their flow by a path in the workspace.
    (root / "flows").symlink_to(REPOSITORY / "flows")
    return workspace


def commit(workspace: Workspace) -> None:
    """Make a workspace one that runs can be clones of: with images of its own, a remote, and all of it committed."""
    root = workspace.root
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["ingest"]["sources"] = [{"name": "pool", "uri": "photos", "role": "pool"}]
    workspace.write("params.yaml", yaml.safe_dump(params, sort_keys=False))
    workspace.write(".gitignore", "/var/\n/photos/\nran.log\n__pycache__/\n")
    for folder in ("photos", "data", "remote"):
        (root / folder).mkdir()
    (root / "photos" / "one.jpg").touch()
    for name in ("sources", "weights", "sets"):
        workspace.write(f"data/{name}.json", "{}\n")
    workspace.run("-m", "dvc", "remote", "add", "--quiet", "--default", "local", "../remote")
    git(root, "add", "--all", ":!remote")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "all")


def git(root: Path, *arguments: str) -> str:
    """What git says in a folder."""
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace in which nothing has run; what still lives in it at the end is killed, by number."""
    made = make_workspace(tmp_path / "workspace")
    yield made
    for process in made.processes():
        process.kill()
