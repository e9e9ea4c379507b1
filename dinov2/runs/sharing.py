"""What a clone is given by its workspace: DVC's cache and remotes, and the data that git does not keep."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from dinov2.config import read_yaml
from dinov2.data.sample import SAMPLE
from dinov2.errors import ConfigError
from dinov2.runs.lock import LOCK, Lock
from dinov2.stages.params import PARAMS

WILD = "*?[{"
"""What makes a name a pattern of names."""


def connect_dvc(origin: Path, root: Path) -> None:
    """Write `.dvc/config.local` of a clone: all that DVC is told in the origin, places made absolute, and its cache.

    Raises:
        ConfigError: the origin is no DVC repository.
    """
    from dvc.config import Config, merge

    if not (origin / ".dvc").is_dir() or not (root / ".dvc").is_dir():
        raise ConfigError(f"{origin}: no repository of DVC, or git does not know its .dvc; `dvc init` and commit")
    told = Config(str(origin / ".dvc"))
    cache = told["cache"].get("dir") or origin / ".dvc" / "cache"
    local = root / ".dvc" / "config.local"
    local.touch(mode=0o600)  # the origin's may hold keys
    with Config(str(root / ".dvc")).edit("local", validate=False) as config:
        for level in ("repo", "local"):
            merge(config, _plain(told.load_one(level)))
        merge(config, {"cache": {"dir": str(cache)}})


def lend(origin: Path, root: Path) -> None:
    """Link into a clone the images and weights that params.yaml names by paths and neither git nor a stage keeps.

    Raises:
        ConfigError: a path leads out of the workspace, where a clone cannot follow.
    """
    lock, links = root / LOCK, []
    made = Lock(lock.read_bytes(), str(lock)) if lock.is_file() else None
    for key, name in _paths(read_yaml(root / PARAMS)):
        path = PurePosixPath(name)
        if ".." in path.parts:
            raise ConfigError(
                f"{PARAMS}: {key}: {name!r}: leads out of the workspace, where a run's clone cannot follow; "
                "allowed: a path in the workspace, an absolute one, or a URL"
            )
        if made and made.maker(str(path)):
            continue  # a teacher that was trained here: DVC brings it
        if (origin / path).exists() and not (root / path).exists():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(origin / path)
            links.append(f"/{path}\n")
    with (root / ".git" / "info" / "exclude").open("a", encoding="utf-8") as file:
        file.writelines(links)


def _paths(params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Relative paths that the parameters may name, of sources, filters, descriptors and weights, by dotted key."""
    given = {key: params.get(key) for key in ("ingest", "embed")}
    for stage, weights in (("pretrain", "init_from"), ("distill", "teacher")):
        given[stage] = {weights: (params.get(stage) or {}).get(weights)}
    for key, text in _texts(given):
        if "://" in text or text.startswith((SAMPLE, "models:/", "/")):
            continue
        whole = PurePosixPath(text).parts
        fixed = [part for n, part in enumerate(whole) if not any(sign in "".join(whole[: n + 1]) for sign in WILD)]
        if fixed:
            yield key, "/".join(fixed)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield key, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from _texts(inner, f"{key}.{name}".lstrip("."))


def _plain(value: Any) -> Any:
    """DVC's own kinds of paths as text: written as they are, they would be made relative again."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return str(value) if isinstance(value, str) else value
