"""The command `dinov2 lineage`: the way back from registered weights to the stages, the manifest and the pool."""

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from dinov2.runs.lock import Done, Lock
from dinov2.runs.names import branch
from dinov2.runs.signed import Signed, content_of, params_of, signed
from dinov2.stages import files
from dinov2.stages.context import Context

SHOWN = 12
"""Digits of a digest that people are shown; `--json` has all."""
WIDE = 1000
"""Columns: lines are not cut, but folded by the terminal."""


def lineage(context: Context, uri: str, as_json: bool) -> None:
    """Print where a version's weights come from: as a tree for people, or as JSON.

    Args:
        context: the workspace.
        uri: models:/NAME/VERSION or models:/NAME@ALIAS.
        as_json: print JSON.

    Raises:
        UserError, DataError, UnreachableError: as `signed`.
    """
    found = lineage_of(context, uri)
    if as_json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        Console(highlight=False, width=WIDE).print(_tree(found), soft_wrap=True)


def lineage_of(context: Context, uri: str) -> dict[str, Any]:
    """Where a version's weights come from.

    Returns:
        `version`, `aliases`, `weights`, `run`, `stages` (each after those that it reads from: what each read and
        wrote, with DVC's MD5, and which stage made what it read), `manifest`, `sources` with the digest of what each
        held, and `given`: weights that were not made here, with their SHA-256, and the version of a registered model.
    """
    version = signed(context, uri)
    sources = content_of(context, version, files.SOURCES)
    return {
        "version": version.uri,
        "aliases": list(version.aliases),
        "weights": {"path": version.weights, "sha256": version.weights_sha256},
        "run": {
            "name": version.run,
            "branch": branch(version.run),
            "commit": version.commit,
            "dvc_lock_sha256": version.lock_sha256,
        },
        "stages": [_stage(stage, version.lock) for stage in version.lock.upstream(version.maker)],
        "manifest": _manifest(version),
        "sources": [
            {key: each.get(key) for key in ("name", "role", "uri")} | {"listing": sources.get(each["name"])}
            for each in params_of(context, version)["ingest"]["sources"]
        ],
        "given": content_of(context, version, files.GIVEN),
    }


def _stage(stage: Done, lock: Lock) -> dict[str, Any]:
    makers = {file.path: lock.maker(file.path) for file in stage.reads}
    reads = [vars(file) | {"made_by": made.name if (made := makers[file.path]) else None} for file in stage.reads]
    return {
        "name": stage.name,
        "command": stage.command,
        "params": stage.params,
        "reads": reads,
        "writes": [vars(file) for file in stage.writes],
    }


def _manifest(version: Signed) -> dict[str, str] | None:
    made = version.lock.maker(files.MANIFEST)
    return next((vars(file) for file in made.writes if file.path == files.MANIFEST), None) if made else None


def _tree(found: dict[str, Any]) -> Tree:
    """The version at the root, and each stage below the first file that it made."""
    weights, run = found["weights"], found["run"]
    root = Tree(f"{_bold(found['version'])} {escape(', '.join(found['aliases']))}")
    root.add(f"run {run['name']}: branch {run['branch']}, commit {_short(run['commit'])}")
    root.add(f"dvc.lock: sha256 {_short(run['dvc_lock_sha256'])}")
    stages, shown = {stage["name"]: stage for stage in found["stages"]}, set()

    def grow(file: Tree, name: str) -> None:
        shown.add(name)
        stage = file.add(f"{_bold(name)}: {escape(stages[name]['command'])}")
        for read in stages[name]["reads"]:
            maker = read["made_by"]
            above = f", of {maker} above" if maker in shown else ""
            leaf = stage.add(f"{escape(read['path'])}: md5 {_short(read['md5'])}{above}")
            if maker and not above:
                grow(leaf, maker)
            if read["path"] == files.GIVEN:
                for given, noted in found["given"].items():
                    leaf.add(escape(f"{given}: {_noted(noted)}"))
        if any(written["path"] == files.MANIFEST for written in stages[name]["writes"]):
            for source in found["sources"]:
                told = f"{source['role']} {source['name']}: {source['uri']}"
                stage.add(f"{escape(told)}, listing {_short(source['listing'])}")

    top = root.add(f"{weights['path']}: sha256 {_short(weights['sha256'])}")
    grow(top, found["stages"][-1]["name"])
    return root


def _noted(given: str | dict[str, str]) -> str:
    return given["version"] if isinstance(given, dict) else f"sha256 {_short(given)}"


def _bold(text: str) -> str:
    return f"[bold]{escape(text)}[/bold]"


def _short(digest: str | None) -> str:
    return (digest or "unknown")[:SHOWN]
