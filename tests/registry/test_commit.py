"""The commit, or in words why there is none."""

import subprocess
from pathlib import Path

from dinov2.registry.commit import current_commit


def _git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True).stdout


def test_without_a_repository_or_a_commit_it_says_so_and_then_names_the_commit(tmp_path: Path) -> None:
    assert current_commit(tmp_path).startswith("none: fatal: not a git repository")
    _git(tmp_path, "init", "--quiet")
    assert current_commit(tmp_path) == "none: nothing is committed yet"
    _git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "first")
    assert current_commit(tmp_path) == _git(tmp_path, "rev-parse", "HEAD").strip()


def test_changed_files_are_told(tmp_path: Path) -> None:
    _git(tmp_path, "init", "--quiet")
    (tmp_path / "params.yaml").write_text("seed: 0")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "--message", "first")
    assert "-dirty" not in current_commit(tmp_path)
    (tmp_path / "params.yaml").write_text("seed: 1")
    assert current_commit(tmp_path).endswith("-dirty")
