"""The command `dinov2 reproduce`: make a registered version's weights again, and compare the bytes.

What is made again must really be computed, though DVC and the store keep what was computed before. So

    DVC's cache     gives the inputs; its run cache is not asked, and nothing is put into either
    the store       gives images and shards, which one stage of training reads: they are data, and checked by SHA-256
    checkpoints     are kept apart, below `reproductions/` in the store: those of the run itself would be taken for work
                    that is done. They are what an interrupted reproduction goes on from, and are removed at its end

Stages of curation hand over vectors and images by the store, not by files: so they are made again with all that they
need, from the sources on, in a store of their own. `whole` asks for the same of stages that train.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dinov2.errors import ConfigError, UnreachableError
from dinov2.launch import JobFailedError
from dinov2.launch.claims import claim
from dinov2.runs import git
from dinov2.runs.clone import Run, at, environment
from dinov2.runs.lock import LOCK, Done, Lock
from dinov2.runs.names import FOLDER
from dinov2.runs.signed import Signed, signed
from dinov2.stages.context import Context
from dinov2.stages.reach import TRAINING
from dinov2.storage import Store, file_sha256

APART = "reproductions"


def reproduce(context: Context, uri: str, stage: str | None = None, whole: bool = False) -> bool:
    """Make again what a stage made of a registered version's weights, say whether it is the same, and tell.

    It happens in `var/runs/reproduce-NAME-VERSION`, which stays if something differs.

    Args:
        context: the workspace.
        uri: models:/NAME/VERSION or models:/NAME@ALIAS.
        stage: one that the weights come from; None takes the one that wrote them.
        whole: with all that it needs, from the sources on.

    Raises:
        UserError: there is no such version or stage, or no run has signed the version.
        UnreachableError: MLflow or DVC's remote stays away, or has not what is needed.
        JobFailedError: a stage fails.
    """
    version = signed(context, uri)
    target = _target(version, stage)
    whole = whole or target.name.partition("@")[0] not in TRAINING
    stages = version.lock.upstream(target) if whole else [target]
    name = re.sub(r"[^A-Za-z0-9._-]", "-", f"reproduce-{version.name}-{version.version}")
    run = at(context.root, version.commit, context.root / FOLDER / name)
    with _alone(run.root):
        different = _make_again(run, version, stages, whole, environment(run, context.settings))
        if different:
            here = f"{context.settings.processes} on {context.settings.torch_device}"
            print(
                f"{version.uri}: different: {different}; see {run.root}. Other processes than the run's (here {here}), "
                "another kind of processor or other releases of libraries round differently"
            )
        else:
            made = ", ".join(file.path for stage in stages for file in stage.writes)
            print(
                f"{version.uri}: the same: {', '.join(each.name for each in stages)} gave {made} again, byte for byte"
            )
            shutil.rmtree(run.root)
    return not different


def _make_again(run: Run, version: Signed, stages: Sequence[Done], whole: bool, places: dict[str, str]) -> str:
    """Have the stages run one after another; says what the first wrote that differs did, nothing if none does."""
    git.git(run.root, "reset", "--quiet", "--hard")  # what an earlier reproduction left
    store = Store(places["DINOV2_STORE"])
    own = store.url_of(f"{APART}/{run.name}")
    claim(store, f"{APART}/{run.name}", run.origin)
    # Each student by itself: the others that it was trained with are not asked for.
    again = {"DINOV2_CHECKPOINTS": own, "DINOV2_RERUN": "1", "DINOV2_DISTILL": "apart"}
    variables = {**places, **again, **({"DINOV2_STORE": own} if whole else {})}
    different = ""
    for stage in stages:
        given = [file.path for file in stage.reads if version.lock.maker(file.path) and not whole]
        absent = [file.path for file in stage.reads if not (run.root / file.path).exists()]
        _bring(run, variables, list(dict.fromkeys(given + absent)))
        options = ("--force", "--single-item", "--no-run-cache", "--no-commit")
        if code := _dvc(run, variables, "repro", *options, stage.name):
            raise JobFailedError(
                f"{version.uri}: {stage.name}: `dvc repro` ended with {code}; try again to go on from here"
            )
        if different := _difference(version, stage, run.root):
            break
    store.delete(f"{APART}/{run.name}")
    return different


def _target(version: Signed, stage: str | None) -> Done:
    if stage is None:
        return version.maker
    found = {each.name: each for each in version.lock.upstream(version.maker)}
    if stage not in found:
        raise ConfigError(f"{version.uri}: stage {stage!r}: its weights come from {', '.join(found)}")
    return found[stage]


def _bring(run: Run, places: dict[str, str], paths: Sequence[str]) -> None:
    """Have these outputs in the run's workspace, out of DVC's cache or else its remote."""
    if not paths or _dvc(run, places, "checkout", "--quiet", "--force", "--", *paths, quiet=True) == 0:
        return
    if code := _dvc(run, places, "pull", "--force", "--", *paths):
        raise UnreachableError(f"{run.root}: `dvc pull {' '.join(paths)}` ended with {code}")


def _dvc(run: Run, places: dict[str, str], *arguments: str, quiet: bool = False) -> int:
    """Run DVC in the run's workspace, with the commands of this Python's environment; its exit code."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    variables = {**os.environ, "DVC_NO_ANALYTICS": "1", **places, "PATH": path}
    output = subprocess.DEVNULL if quiet else None
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=run.root, env=variables, stdout=output, stderr=output).returncode


def _difference(version: Signed, stage: Done, root: Path) -> str:
    """What a stage wrote otherwise than in the version's run; nothing if it wrote the same."""
    made = {file.path: file.md5 for file in Lock((root / LOCK).read_bytes(), LOCK).stages[stage.name].writes}
    if stage == version.maker and (sha256 := file_sha256(root / version.weights)) != version.weights_sha256:
        return f"{version.weights} has sha256 {sha256} where the version has {version.weights_sha256}"
    differing = [file.path for file in stage.writes if made.get(file.path) != file.md5]
    return f"{stage.name} wrote {', '.join(differing)} otherwise" if differing else ""


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Be the only process that works in the clone.

    Raises:
        ConfigError: another does.
    """
    with (root / ".git" / "dinov2.lock").open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{root}: another process makes this version again just now") from None
        yield
