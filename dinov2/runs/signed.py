"""A registered version that a run has signed, and the run as git has it."""

import hashlib
from dataclasses import dataclass
from typing import Any

import yaml

from dinov2.errors import DataError, UserError
from dinov2.registry.fetch import WEIGHTS_TAG, find_version
from dinov2.runs import git
from dinov2.runs.lock import LOCK, Done, Lock
from dinov2.runs.names import branch
from dinov2.runs.signing import COMMIT, LOCK_SHA256, MODEL, RUN
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.params import PARAMS


@dataclass(frozen=True)
class Signed:
    """A version and the run that made it.

    Attributes:
        name, version: in the registry.
        aliases: that lead to it.
        weights: the file of the workspace that it was made from.
        weights_sha256: of that file.
        run: the run's name.
        commit: the run's commit.
        lock_sha256: of the run's dvc.lock.
        lock: the run's dvc.lock.
        maker: the stage that wrote the weights.
    """

    name: str
    version: str
    aliases: tuple[str, ...]
    weights: str
    weights_sha256: str
    run: str
    commit: str
    lock_sha256: str
    lock: Lock
    maker: Done

    @property
    def uri(self) -> str:
        """Whatever alias led to it."""
        return f"models:/{self.name}/{self.version}"


def signed(context: Context, uri: str) -> Signed:
    """The version behind models:/NAME/VERSION or models:/NAME@ALIAS, and its run.

    Raises:
        UserError: MLflow has no such version, or no run has signed it.
        DataError: git has no such commit, or the commit's dvc.lock is not the one that was signed.
        UnreachableError: MLflow stays away.
    """
    found = find_version(uri, context.settings, context.root)
    named = f"models:/{found.name}/{found.version}"
    if missing := [tag for tag in (RUN, LOCK_SHA256, COMMIT, MODEL, WEIGHTS_TAG) if tag not in found.tags]:
        raise UserError(
            f"{named}: has no tag {missing[0]}: no recorded run registered it; `dinov2 record` signs what a "
            "workspace has registered"
        )
    run, hashed = found.tags[RUN], found.tags[COMMIT]
    commit = git.commit(context.root, hashed)
    if commit is None:
        raise DataError(f"{named}: git has no commit {hashed} here; `git fetch` branch {branch(run)} from where it is")
    content = git.content(context.root, commit, LOCK)
    if hashlib.sha256(content).hexdigest() != found.tags[LOCK_SHA256]:
        raise DataError(f"{named}: {LOCK} of commit {commit} is not the one that the version was signed with")
    lock, weights = Lock(content, f"{commit}:{LOCK}"), files.weights(found.tags[MODEL])
    maker = lock.maker(weights)
    if maker is None:
        raise DataError(f"{named}: {LOCK} of commit {commit} has no stage that writes {weights}")
    aliases = tuple(sorted(found.aliases))
    sha256, lock_sha256 = found.tags[WEIGHTS_TAG], found.tags[LOCK_SHA256]
    return Signed(found.name, str(found.version), aliases, weights, sha256, run, commit, lock_sha256, lock, maker)


def content_of(context: Context, version: Signed, path: str) -> dict[str, Any]:
    """A YAML or JSON file as the run's commit has it; params.yaml, or what a scan wrote.

    Raises:
        ConfigError: the commit has no such file.
    """
    return dict(yaml.safe_load(git.content(context.root, version.commit, path)))


def params_of(context: Context, version: Signed) -> dict[str, Any]:
    """The run's parameters, as they were."""
    return content_of(context, version, PARAMS)
