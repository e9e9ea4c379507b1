"""Parameters: frozen pydantic models that refuse what they do not know, and the reading of `params.yaml`.

Each room keeps its own configuration class beside the code that it configures; `dinov2/stages/params.py` puts them
together into the whole of `params.yaml`.
"""

from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from dinov2.credentials import masked
from dinov2.errors import ConfigError


class Config(BaseModel):
    """Base of every configuration class: immutable, and a misspelt key is an error rather than ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


ConfigT = TypeVar("ConfigT", bound=Config)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: the file is missing, is not YAML or does not hold a mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of sections, found {type(content).__name__}")
    return content


def parse(cls: type[ConfigT], content: dict[str, Any], origin: str) -> ConfigT:
    """Validate `content` as `cls`.

    Raises:
        ConfigError: one line for each fault, naming `origin`, the dotted key, the value and what is allowed.
    """
    try:
        return cls.model_validate(content)
    except ValidationError as error:
        raise ConfigError("\n".join(_describe(origin, cls, fault) for fault in error.errors())) from None


def parse_section(cls: type[ConfigT], path: Path, section: str) -> ConfigT:
    """One section of a YAML file as `cls`.

    Raises:
        ConfigError: the file or the section is missing, or as `parse`.
    """
    content = read_yaml(path)
    if section not in content:
        raise ConfigError(f"{path.name}: {section}: missing")
    return parse(cls, content[section] or {}, f"{path.name}: {section}")


def _describe(origin: str, cls: type[BaseModel], fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        allowed = ", ".join(_siblings(cls, fault["loc"]))
        return f"{origin}: {key}: no such parameter" + (f"; allowed here: {allowed}" if allowed else "")
    message = fault["msg"].removeprefix("Value error, ")
    if not key:
        return f"{origin}: {message}"
    if fault["type"] == "missing":
        return f"{origin}: {key}: missing"
    value = fault["input"]
    shown = "" if isinstance(value, dict | BaseModel) else f" {masked(repr(value))}:"
    return f"{origin}: {key}:{shown} {message}"


def _siblings(cls: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """Names of the parameters allowed beside the last part of `location`, as far as the classes tell."""
    found: list[Any] = [cls]
    for part in location[:-1]:
        tagged = [kind for kind in found if part in _tags(kind)]
        found = tagged or [member for kind in found for member in _below(kind, part)]
    return sorted({name for kind in found for name in _fields(kind)})


def _below(kind: Any, part: Any) -> list[Any]:
    """The types that a part of a class or of a collection may have."""
    if part in _fields(kind):
        return _members(_fields(kind)[part].annotation)
    if get_origin(kind) in (tuple, list, dict):
        return _members(get_args(kind)[get_origin(kind) is dict])
    return []


def _members(kind: Any) -> list[Any]:
    if get_origin(kind) is Annotated:
        return _members(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        return [member for each in get_args(kind) for member in _members(each)]
    return [kind]


def _tags(kind: Any) -> tuple[Any, ...]:
    """By which a union tells this member from the others; pydantic counts the tag among the parts of a place."""
    return get_args(_fields(kind)["kind"].annotation) if "kind" in _fields(kind) else ()


def _fields(kind: Any) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in getattr(kind, "model_fields", {}).items()}
