"""Which images a preset brings, and which stay."""

import shutil
from pathlib import Path

import pytest
import yaml

from dinov2.config import read_yaml
from dinov2.errors import ConfigError
from flows.forms.presets import Images, preset_content, preset_names, with_images

ROOT = Path(__file__).parents[3]
OWN = [{"name": "photos", "uri": "photos", "role": "pool"}, {"name": "cats", "uri": "cats", "role": "evaluation"}]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with images of its own."""
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    content = read_yaml(ROOT / "params.yaml")
    content["ingest"]["sources"], content["evaluate"]["datasets"], content["seed"] = OWN, ["cats"], 7
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def test_every_file_is_a_choice_and_the_workspace_the_first() -> None:
    assert preset_names(ROOT)[0] == "workspace"
    assert set(preset_names(ROOT)[1:]) == {path.stem for path in (ROOT / "presets").iterdir()}


def test_the_workspace_is_as_it_is(root: Path) -> None:
    assert preset_content(root, "workspace") == read_yaml(root / "params.yaml")


@pytest.mark.parametrize("preset", ["own_images", "vitl14", "vitg14"])
def test_a_preset_says_how_to_train_and_the_workspace_on_what(root: Path, preset: str) -> None:
    content, written = preset_content(root, preset), read_yaml(root / "presets" / f"{preset}.yaml")
    assert content["ingest"] == {**written["ingest"], "sources": OWN}
    assert content["evaluate"] == {**written["evaluate"], "datasets": ["cats"]}
    changed = {"ingest", "evaluate"}
    assert {k: v for k, v in content.items() if k not in changed} == {
        k: v for k, v in written.items() if k not in changed
    }


def test_the_sample_brings_its_own_images(root: Path) -> None:
    (root / "params.yaml").unlink()
    assert preset_content(root, "sample") == read_yaml(root / "presets" / "sample.yaml")


def test_images_that_are_given_replace_all_others(root: Path) -> None:
    given = [Images(uri="s3://bucket/My Pool"), Images(uri="cats", role="curated"), Images(uri="old/cats", role="pool")]
    content = with_images(preset_content(root, "workspace"), given)
    assert content["ingest"]["sources"] == [
        {"name": "my-pool", "uri": "s3://bucket/My Pool", "role": "pool"},
        {"name": "cats", "uri": "cats", "role": "curated"},
        {"name": "cats-2", "uri": "old/cats", "role": "pool"},
    ]
    assert "datasets" not in content["evaluate"], "it named a source that is gone"


@pytest.mark.parametrize("preset", ["huge", "../params", "sample.yaml", "", "; id"])
def test_a_preset_that_is_none_is_refused_with_what_there_is(root: Path, preset: str) -> None:
    with pytest.raises(ConfigError, match=r"preset: .*no such preset; there are workspace, own_images, sample"):
        preset_content(root, preset)


def test_a_fault_in_a_preset_is_said_of_it(root: Path) -> None:
    (root / "presets" / "mine.yaml").write_text("seed: -1")
    with pytest.raises(ConfigError, match=r"preset: presets/mine\.yaml: seed: -1: "):
        preset_content(root, "mine")
