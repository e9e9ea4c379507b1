"""What a form changes: where it goes, as what, and what is refused."""

from typing import Any

import pytest

from dinov2.errors import ConfigError
from flows.forms.override import Override, with_overrides

CONTENT: dict[str, Any] = {
    "seed": 0,
    "ingest": {"sources": [{"name": "pool", "uri": "a"}, {"name": "web", "uri": "b"}]},
    "pretrain": {"batch_size": 64, "init_from": None},
}


def _with(key: str, value: str) -> dict[str, Any]:
    return with_overrides(CONTENT, [Override(key=key, value=value)])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("64", 64),
        ("1e-3", 0.001),
        ("[1e-3, 2.5E+2, -1.0]", [0.001, 250.0, -1.0]),
        ("bf16", "bf16"),
        ("'1e-3'", "1e-3"),
        ("null", None),
        ("{kind: size, max_aspect: 4}", {"kind": "size", "max_aspect": 4}),
        ('$(touch /tmp/x); `id` | tee & > \\ && "\'"', '$(touch /tmp/x); `id` | tee & > \\ && "\'"'),
    ],
)
def test_a_value_is_what_params_yaml_would_have(written: str, value: object) -> None:
    found = _with("pretrain.batch_size", written)["pretrain"]["batch_size"]
    assert found == value
    assert type(found) is type(value)


def test_only_the_key_changes_and_only_in_what_comes_back() -> None:
    found = _with("ingest.sources.1.uri", "c")
    assert found == {**CONTENT, "ingest": {"sources": [CONTENT["ingest"]["sources"][0], {"name": "web", "uri": "c"}]}}
    assert CONTENT["ingest"]["sources"][1]["uri"] == "b"


@pytest.mark.parametrize("key", ["pretrain.optimiser.base_lr", "pretrain.init_from.base_lr", "new.section.base_lr"])
def test_sections_that_were_left_out_are_made(key: str) -> None:
    *parts, last = key.split(".")
    found = _with(key, "1")
    for part in parts:
        found = found[part]
    assert found == {last: 1}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("ingest.sources.2.uri", "c", "overrides: ingest.sources.2.uri: .* ingest.sources has the entries 0 to 1"),
        ("ingest.sources.uri", "c", "overrides: ingest.sources.uri: .* ingest.sources has the entries 0 to 1"),
        ("seed.deep", "1", "overrides: seed.deep: no such parameter; seed is a value, 0"),
        ("seed", "[1", r"overrides: seed: '\[1': not valid YAML"),
        ("seed", "!!python/object/apply:os.system [id]", "overrides: seed: .*not valid YAML: could not determine"),
        ("seed", "2026-13-45", "overrides: seed: .*not valid YAML: month must be in 1..12"),
        ("seed", "[" * 1999, "overrides: seed: .*not valid YAML"),
        ("seed", "a: &a [1, 2]\nb: [*a, *a]", r"overrides: seed: .*aliases \(\*name\) are not allowed"),
        ("seed", "[s3://me:secret@host/x", r"overrides: seed: '\[s3://\*\*\*@host/x': not valid"),
    ],
)
def test_what_leads_nowhere_is_refused_with_the_key(key: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _with(key, value)


def test_a_key_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="overrides: seed: is there twice"):
        with_overrides(CONTENT, [Override(key="seed", value="1"), Override(key="seed", value="2")])
