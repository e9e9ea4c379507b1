"""Git, as far as runs need it. Commits are made beside the user's own work: index, HEAD and files stay as they are."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dinov2.errors import ConfigError

NOBODY = {"NAME": "dinov2", "EMAIL": "dinov2@localhost"}
"""Who a run's commit is by where git does not know its user."""
HERE = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)  # fmt: skip
"""Variables that would lead git to another repository, as a hook that starts a run has them."""
REFS = "refs/dinov2"
"""Where refs are that commits are fetched by."""


def git(root: Path, *arguments: str, text: str = "", variables: Mapping[str, str] | None = None) -> str:
    """What git says, without the last line's end.

    Args:
        root: the folder it works in.
        arguments: of git.
        text: its standard input.
        variables: added to its environment.

    Raises:
        ConfigError: it refuses, or is not installed.
    """
    done = _run(root, arguments, text, variables)
    if done.returncode:
        said = " ".join(os.fsdecode(done.stderr).split()) or f"exit code {done.returncode}"
        raise ConfigError(f"{root}: git {arguments[0]}: {said}")
    return os.fsdecode(done.stdout).removesuffix("\n")


def repository(root: Path) -> Path:
    """The folder with git's own files, of a workspace that is the root of a repository with a commit.

    Raises:
        ConfigError: it is not.
    """
    top = Path(git(root, "rev-parse", "--show-toplevel"))
    if top.resolve() != root.resolve():
        raise ConfigError(
            f"{root}: lies in the git repository {top} and is not its root; a run is a clone of all of it"
        )
    if commit(root, "HEAD") is None:
        raise ConfigError(f"{root}: nothing is committed yet, and a run is recorded as a commit: `git add` and commit")
    return Path(git(root, "rev-parse", "--absolute-git-dir"))


def commit(root: Path, revision: str) -> str | None:
    """The hash of a branch's or tag's commit; None where there is none of that name."""
    done = _run(root, ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"))
    return os.fsdecode(done.stdout).strip() if done.returncode == 0 else None


def content(root: Path, revision: str, path: str) -> bytes:
    """A file as a commit has it.

    Raises:
        ConfigError: it has none of that name.
    """
    done = _run(root, ("cat-file", "blob", f"{revision}:{path}"))
    if done.returncode:
        raise ConfigError(f"{root}: commit {revision} has no file {path}")
    return done.stdout


def tree(origin: Path, root: Path, also: Sequence[str] = ()) -> str:
    """The hash of a tree in `origin`'s repository: what git tracks of `root`, as it is on the disk.

    Args:
        origin: whose repository gets it.
        root: a workspace, `origin` itself or a clone.
        also: files of `root` that belong to it whether git tracks them or not.
    """
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        # With its time: git compares it with those of the files to know which it must read.
        shutil.copy2(git(root, "rev-parse", "--path-format=absolute", "--git-path", "index"), index)
        variables = {"GIT_DIR": str(repository(origin)), "GIT_WORK_TREE": str(root), "GIT_INDEX_FILE": str(index)}
        git(root, "add", "--update", variables=variables)
        if also:
            git(root, "add", "--force", "--", *also, variables=variables)
        return git(root, "write-tree", variables=variables)


def tree_of(root: Path, revision: str) -> str:
    """The hash of a commit's tree."""
    return git(root, "rev-parse", f"{revision}^{{tree}}")


def make_commit(origin: Path, of: str, parent: str, message: str) -> str:
    """The hash of a new commit, which no branch has yet.

    Args:
        origin: whose repository gets it.
        of: its tree.
        parent: its parent.
        message: its message.
    """
    return git(origin, "commit-tree", of, "-p", parent, "-F", "-", text=message, variables=_author(origin))


@contextmanager
def reachable(origin: Path, hashed: str) -> Iterator[str]:
    """A ref by which the commit can be fetched while the block runs."""
    ref = f"{REFS}/{uuid.uuid4().hex}"
    git(origin, "update-ref", ref, hashed)
    try:
        yield ref
    finally:
        git(origin, "update-ref", "-d", ref)


def _author(root: Path) -> dict[str, str]:
    unknown = [role for role in ("AUTHOR", "COMMITTER") if _run(root, ("var", f"GIT_{role}_IDENT")).returncode]
    return {f"GIT_{role}_{key}": value for role in unknown for key, value in NOBODY.items()}


def _run(
    root: Path, arguments: Sequence[str], text: str = "", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    own = {name: value for name, value in os.environ.items() if name not in HERE}
    quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    # Hooks belong to the user's own work, and so does tidying up.
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "maintenance.auto=false", *arguments]
    try:
        return subprocess.run(
            command, cwd=root, input=os.fsencode(text), capture_output=True, env={**own, **quiet, **(variables or {})}
        )
    except FileNotFoundError:
        raise ConfigError(f"{root}: git is not installed, or the folder is not there") from None
