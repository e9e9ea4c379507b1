import shutil
from pathlib import Path

import pytest

from dinov2.errors import ConfigError
from dinov2.stages.adopt import adopt
from dinov2.stages.params import load_params

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    for name in ("My Photos", "trusted/cats", "other/cats"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_sources_become_the_folders_given_and_nothing_else_changes(root: Path) -> None:
    before = load_params(root)
    adopt(root, str(root / "My Photos"), [str(root / "trusted/cats"), "other/cats"])
    after = load_params(root)
    assert [(source.name, source.role) for source in after.ingest.sources] == [
        ("my-photos", "pool"),
        ("cats", "curated"),
        ("cats-2", "curated"),
    ]
    assert after.ingest.sources[2].uri == str(root / "other/cats")
    unchanged = {"ingest": before.ingest}
    assert after.model_copy(update=unchanged) == before
    assert (root / "params.yaml").read_text().startswith("# The built-in sample")


def test_remote_sources_are_taken_as_they_are(root: Path) -> None:
    adopt(root, "s3://bucket/photographs", [])
    assert load_params(root).ingest.sources[0].uri == "s3://bucket/photographs"


def test_no_pool_is_refused(root: Path) -> None:
    with pytest.raises(ConfigError, match="no pool: say which folder"):
        adopt(root, "", [str(root / "trusted/cats")])


def test_a_tilde_is_the_home_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    adopt(root, "~/My Photos", [])
    assert load_params(root).ingest.sources[0].uri == str(root / "My Photos")


def test_a_folder_that_does_not_exist_is_refused_and_nothing_is_written(root: Path) -> None:
    before = (root / "params.yaml").read_bytes()
    with pytest.raises(ConfigError, match="'gone': no such folder"):
        adopt(root, "gone", [])
    assert (root / "params.yaml").read_bytes() == before
