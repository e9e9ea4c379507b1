"""Parameters that a form changes: dotted keys into params.yaml, values as it would have them."""

import re
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import yaml
from pydantic import ConfigDict, Field, JsonValue

from dinov2.config import Config
from dinov2.credentials import masked
from dinov2.errors import ConfigError

FIELD = "overrides"
WITHOUT_LOGIN: dict[str, JsonValue] = {"not": {"pattern": r"://[^/?#\s]+@"}}
"""Of a field: a form is kept, with all that it holds, as soon as there is a run."""


class Override(Config):
    """One parameter and the value that it has in this run."""

    model_config = ConfigDict(title="Parameter")

    key: str = Field(
        title="Key",
        description="As in params.yaml, with dots: pretrain.batch_size; entries of lists by number: evaluate.models.0",
        max_length=200,
        pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$",
        json_schema_extra={"position": 0},
    )
    value: str = Field(
        title="Value",
        description="As params.yaml would have it: 64, 1e-3, bf16, [S, B], null",
        min_length=1,
        max_length=2000,
        json_schema_extra={"position": 1, **WITHOUT_LOGIN},
    )


class _Loader(yaml.SafeLoader):
    """As everyone writes numbers: to YAML 1.1, and so to PyYAML, 1e-3 is a word."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def with_overrides(content: dict[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """The parameters `content` with these values; whether they are possible is up to `Params`.

    Raises:
        ConfigError: a key leads nowhere or is there twice, or a value is no YAML.
    """
    keys = [own.key for own in overrides]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise ConfigError(f"{FIELD}: {twice[0]}: is there twice")
    changed = deepcopy(content)
    for own in overrides:
        _put(changed, own.key, _value(own))
    return changed


def _value(own: Override) -> Any:
    try:
        # What a few letters stand for can fill the memory: a list of lists of lists, each named ten times.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(own.value, Loader=_Loader)):
            raise ConfigError(f"{FIELD}: {own.key}: {_shown(own)}: aliases (*name) are not allowed")
        return yaml.load(own.value, Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = str(getattr(error, "problem", None) or error)
        raise ConfigError(f"{FIELD}: {own.key}: {_shown(own)}: not valid YAML: {why}") from None


def _shown(own: Override) -> str:
    return masked(repr(own.value))


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    *parts, last = key.split(".")
    node: Any = content
    for depth, part in enumerate(parts):
        place, before = _place(node, part, key, parts[:depth]), node
        node = before.get(place) if isinstance(before, dict) else before[place]
        if node is None:
            node = before[place] = {}
    node[_place(node, last, key, parts)] = value


def _place(node: Any, part: str, key: str, above: Sequence[str]) -> Any:
    """What `part` of `key` is in `node`: a name in a section, a number in a list."""
    if isinstance(node, dict):
        return part
    where = ".".join(above)
    if not isinstance(node, list):
        raise ConfigError(f"{FIELD}: {key}: no such parameter; {where} is a value, {node!r}")
    if not part.isdecimal() or int(part) >= len(node):
        raise ConfigError(f"{FIELD}: {key}: no such parameter; {where} has the entries 0 to {len(node) - 1}")
    return int(part)
