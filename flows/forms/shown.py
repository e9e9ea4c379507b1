"""A parameter of a flow as the form shows it."""

from typing import Any

from pydantic import Field


def shown(title: str, description: str, names: list[str] | None = None, **bounds: Any) -> Any:
    """A field as a person sees it. Prefect takes titles and descriptions of parameters from `json_schema_extra` alone.

    Args:
        title: a word or two.
        description: shown below the title.
        names: what can be chosen from, if the type does not say.
        bounds: of pydantic's `Field`.
    """
    choice: dict[str, Any] = {"enum": names} if names else {}
    return Field(json_schema_extra={"title": title, "description": description, **choice}, **bounds)
