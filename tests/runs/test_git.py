"""Commits that are made beside the user's own work."""

import subprocess
from pathlib import Path

import pytest

from dinov2.errors import ConfigError
from dinov2.runs import git
from tests.runs.conftest import in_git


def test_a_tree_has_what_is_on_the_disk_and_leaves_index_head_and_refs_alone(origin: Path) -> None:
    (origin / "staged.txt").write_text("staged\n")
    in_git(origin, "add", "staged.txt")
    (origin / "staged.txt").write_text("edited since\n")
    (origin / "dvc.yaml").unlink()
    (origin / "unknown.txt").write_text("no business of git\n")
    before = [(origin / ".git" / name).read_bytes() for name in ("index", "HEAD")], in_git(origin, "show-ref")
    tree = git.tree(origin, origin)
    assert before == ([(origin / ".git" / name).read_bytes() for name in ("index", "HEAD")], in_git(origin, "show-ref"))
    names = in_git(origin, "ls-tree", "-r", "--name-only", tree).splitlines()
    assert "staged.txt" in names
    assert "input.txt" in names
    assert not {"dvc.yaml", "unknown.txt"} & set(names)
    assert git.content(origin, tree, "staged.txt") == b"edited since\n"


def test_a_change_of_equal_size_in_the_same_second_is_seen(origin: Path) -> None:
    for n in range(5):
        (origin / "input.txt").write_text(f"old {n}\n")
        in_git(origin, "add", "input.txt")
        (origin / "input.txt").write_text(f"new {n}\n")
        assert git.content(origin, git.tree(origin, origin), "input.txt") == f"new {n}\n".encode()


def test_who_has_no_name_in_git_commits_all_the_same_and_who_has_is_the_author(
    origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    in_git(origin, "config", "user.useConfigOnly", "true")
    tree = git.tree(origin, origin)
    nobody = git.make_commit(origin, tree, "HEAD", "message\n")
    assert in_git(origin, "log", "-1", "--format=%an <%ae> %cn", nobody) == "dinov2 <dinov2@localhost> dinov2"
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.com")):
        in_git(origin, "config", key, value)
    ada = git.make_commit(origin, tree, "HEAD", "message\n")
    assert in_git(origin, "log", "-1", "--format=%an <%ae>", ada) == "Ada <ada@example.com>"


def test_variables_of_a_hook_do_not_lead_to_another_repository(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere")
    assert git.repository(origin) == origin / ".git"


def test_what_looks_like_an_option_is_no_revision(origin: Path) -> None:
    assert git.commit(origin, "--all") is None
    assert git.commit(origin, "main") == in_git(origin, "rev-parse", "HEAD")


def test_a_folder_that_no_run_can_be_a_clone_of_is_refused(origin: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a git repository"):
        git.repository(tmp_path)
    with pytest.raises(ConfigError, match=f"lies in the git repository {origin}"):
        git.repository(origin / "data")
    empty = tmp_path / "empty"
    subprocess.run(["git", "init", "--quiet", str(empty)], check=True)
    with pytest.raises(ConfigError, match="nothing is committed yet"):
        git.repository(empty)
