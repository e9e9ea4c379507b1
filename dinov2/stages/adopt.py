"""adopt: point params.yaml at the user's own images; all other parameters stay as they are."""

import re
from collections.abc import Sequence
from pathlib import Path

from ruamel.yaml import YAML

from dinov2.config import parse
from dinov2.data.config import IngestConfig
from dinov2.errors import ConfigError
from dinov2.stages.params import PARAMS
from dinov2.storage import atomic_path

HELD_OUT = 0.3


def adopt(root: Path, pool: str, curated: list[str]) -> None:
    """Replace `ingest.sources`; comments and layout of the file are kept.

    Args:
        root: the workspace.
        pool: folder (or any source) of uncurated images. Class subfolders make it a labelled set as well.
        curated: folders of images that show what is wanted; class subfolders make them labelled sets.

    Raises:
        ConfigError: a folder does not exist, or params.yaml is not as it should be.
    """
    if not pool:
        raise ConfigError("no pool: say which folder holds the uncurated images")
    pool, *curated = (str(Path(uri).expanduser()) if uri.startswith("~") else uri for uri in (pool, *curated))
    roles = {pool: "pool"} | dict.fromkeys(curated, "curated")
    for uri in roles:
        if (
            "://" not in uri
            and ":" not in uri
            and not any(character in uri for character in "*{")
            and not (root / uri).exists()
        ):
            raise ConfigError(f"{uri!r}: no such folder")
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 4096
    content = yaml.load(root / PARAMS)
    content["ingest"]["sources"] = [
        {"name": name, "uri": _place(root, uri), "role": role, "test_fraction": HELD_OUT}
        for name, (uri, role) in zip(source_names(list(roles)), roles.items(), strict=True)
    ]
    parse(IngestConfig, dict(content["ingest"]), PARAMS)
    with atomic_path(root / PARAMS) as draft:
        yaml.dump(content, draft)


def _place(root: Path, uri: str) -> str:
    """Local folders as absolute paths, since a command line's may be relative to anything."""
    return str((root / uri).resolve()) if (root / uri).exists() else uri


def source_names(uris: Sequence[str]) -> list[str]:
    """A name for each source, from the last part of its place: lower case, unique."""
    names: list[str] = []
    for uri in uris:
        stem = re.sub(r"[^a-z0-9_-]+", "-", Path(uri.rstrip("/")).stem.lower()).strip("-_") or "images"
        number = sum(name == stem or name.startswith(f"{stem}-") for name in names)
        names.append(f"{stem}-{number + 1}" if number else stem)
    return names
