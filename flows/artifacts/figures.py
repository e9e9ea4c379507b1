"""The numbers of a stage, as its files have them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dinov2.stages import files

RECEIPT = ("name", "parameters", "embed_dim", "resolution", "weights_sha256", "manifest_sha256")

WHOLE = 1e15
"""Floating-point numbers below have all their digits."""


def content(root: Path, stage: str) -> dict[str, Any]:
    """What a stage says of its work; empty if it says nothing.

    Args:
        root: the workspace.
        stage: as `dvc repro` takes it.
    """
    name, _, item = stage.partition("@")
    places = {
        "embed": files.EMBEDDINGS,
        "distill": files.metrics(item),
        "evaluate": files.evaluation(item),
        "register": files.receipt(item),
    }
    path = root / places.get(name, files.metrics(name))
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {key: found[key] for key in RECEIPT if key in found} if name == "register" else found


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers and texts with dotted names."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", value


def readable(value: Any) -> str:
    """A number for people: all digits of a whole one, else four."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < WHOLE)
    return f"{int(value):,}" if whole else f"{value:.4g}"
