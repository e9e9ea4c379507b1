"""What Prefect's pages show of the form, and what its server refuses before there is a run."""

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.utilities.schema_tools.validation import ValidationError, validate

from flows.pipeline import pipeline

SCHEMA = pipeline.parameters.model_dump_for_openapi()


def _leaves(schema: dict[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    yield name, schema
    for key, inner in schema.get("properties", {}).items():
        yield from _leaves(inner, f"{name}.{key}")
    if "items" in schema:
        yield from _leaves(schema["items"], f"{name}[]")


def test_every_field_says_what_it_is_and_how_much_it_takes() -> None:
    fields = [leaf for name, field in SCHEMA["properties"].items() for leaf in _leaves(field, name)]
    assert len(fields) > 12
    for name, field in fields:
        assert field["title"], name
        assert field["title"] != name
        assert field["description"], name
        if field["type"] == "string":
            assert "maxLength" in field or "enum" in field, name
        if field["type"] == "array":
            assert "maxItems" in field, name
        if field["type"] == "object":
            assert field["additionalProperties"] is False, name
    positions = [field["position"] for field in SCHEMA["properties"].values()]
    assert positions == list(range(len(positions)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("preset", "huge"),
        ("preset", "../../etc/passwd"),
        ("preset", "x" * 600_000),
        ("images[0].uri", [{"uri": "x" * 1001}]),
        ("images[0].uri", [{"uri": "a\nb"}]),
        ("images[0].uri", [{"uri": "s3://me:secret@bucket/x"}]),
        ("images[0].role", [{"uri": "a", "role": "teacher"}]),
        ("overrides[0].key", [{"key": "seed; touch x", "value": "1"}]),
        ("overrides[0].key", [{"key": "$(id)", "value": "1"}]),
        ("overrides[0].value", [{"key": "seed", "value": 1}]),
        ("overrides[0].value", [{"key": "seed", "value": "1" * 600_000}]),
        ("overrides[0].value", [{"key": "ingest.sources", "value": "[{uri: 'https://me:secret@host/x'}]"}]),
        ("overrides[0]", [{"key": "seed", "value": "1", "shell": "id"}]),
        ("overrides[0]", [{"key": "seed"}]),
        ("overrides", [{"key": "seed", "value": "1"}] * 51),
        ("overrides", {"seed": 1}),
        ("stages[1]", ["ingest", "; id"]),
        ("stages", "ingest"),
        ("launcher", "ssh"),
        ("force", "yes"),
        ("name", "../x"),
        ("name", "a" * 64),
        ("name", "Run 1"),
        ("where", "/tmp"),
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        validate({field.partition("[")[0]: value}, SCHEMA, raise_on_error=True)
    assert f"Validation failed for field {field!r}" in str(refused.value)


def test_a_form_that_nobody_touched_is_valid() -> None:
    shown = {name: field["default"] for name, field in SCHEMA["properties"].items()}
    validate(shown, SCHEMA, raise_on_error=True)
    validate({}, SCHEMA, raise_on_error=True)
    assert shown["where"] == "a clone of its own"
