"""A form becomes whole parameters, or is refused with the name of its field."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from dinov2.config import read_yaml
from dinov2.errors import ConfigError
from dinov2.settings import Settings
from flows.forms.checked import check_stages, checked_params, refuse_here
from flows.forms.override import Override
from flows.forms.presets import Images, preset_names

ROOT = Path(__file__).parents[3]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with folders of images, one of them elsewhere by name or by link."""
    root = tmp_path / "workspace"
    shutil.copytree(ROOT / "presets", root / "presets")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, root)
    (root / "photos" / "a;b $(id)").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "00.tar").touch()
    (root / "shards").mkdir()
    (root / "shards" / "01.tar").symlink_to(tmp_path / "elsewhere" / "00.tar")
    return root


def _overridden(root: Path, key: str, value: str, **settings: str) -> dict[str, object] | None:
    return checked_params(root, Settings(**settings), "workspace", (), [Override(key=key, value=value)])


@pytest.mark.parametrize("preset", preset_names(ROOT))
def test_every_preset_can_be_run_as_it_is(root: Path, preset: str) -> None:
    content = checked_params(root, Settings(), preset, (), ())
    assert (content is None) == (preset == "workspace"), "the workspace's own stays as it is written"


def test_what_is_left_out_stays_left_out_so_that_no_stage_seems_changed(root: Path) -> None:
    own = read_yaml(root / "params.yaml")
    assert _overridden(root, "pretrain.batch_size", "128") == {
        **own,
        "pretrain": {**own["pretrain"], "batch_size": 128},
    }


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("pretrain.batch_sise", "64", "overrides: pretrain.batch_sise: no such parameter; allowed here: batch_size"),
        ("ingest.filters", "[{kind: size, aspect: 3}]", "overrides: .*no such parameter; allowed here: kind, max_"),
        ("pretrain.batch_size", "many", "overrides: pretrain.batch_size: 'many': Input should be a valid integer"),
        ("pretrain.batch_size", "65", "overrides: pretrain: batch_size 65 is not a multiple of group_size 32"),
        ("highres.global_size", "24", "overrides: highres.global_size 24 is below pretrain.crops.global_size 48"),
        ("evaluate.models", "[highres, XL]", "overrides: evaluate.models 'XL'; allowed: highres, S, B, L"),
        ("distill.students", "['S; touch x']", r"overrides: distill.students.0: 'S; touch x': .*match pattern"),
        ("distill.students", "['../../S']", "overrides: distill.students.0: '../../S': .*match pattern"),
        ("register.prefix", "$(id)", r"overrides: register.prefix: '\$\(id\)': .*match pattern"),
        ("ingest.sources.0.uri", "s3://me:secret@b/x", r"overrides: .*'s3://\*\*\*@b/x': its URL has a user or pass"),
    ],
)
def test_an_impossible_value_is_refused_with_field_and_key(root: Path, key: str, value: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _overridden(root, key, value)


@pytest.mark.parametrize("uri", ["photos", "photos/a;b $(id)", "photos/*.tar", "photos/{00..09}.tar", "s3://bucket/x"])
def test_images_of_the_workspace_or_behind_a_url_are_taken_as_they_are_written(root: Path, uri: str) -> None:
    content = checked_params(root, Settings(), "sample", [Images(uri=uri)], ())
    assert content is not None
    assert content["ingest"]["sources"][0]["uri"] == uri


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("/etc", "'/etc': lies outside the workspace"),
        ("/*", "'/*': lies outside the workspace"),
        ("../elsewhere", "'../elsewhere': lies outside"),
        ("photos/../../elsewhere", "lies outside"),
        ("photos/*/../../../x", "may only be behind the last /"),
        ("link", "'link': lies outside"),
        ("link/*.tar", "lies outside"),
        ("l*/*.tar", "may only be behind the last /"),
        ("{0..1}/*.tar", "may only be behind the last /"),
        ("shards/*.tar", "lies outside the workspace: 01.tar"),
        ("shards/{00..01}.tar", "lies outside the workspace: 01.tar"),
        ("gone", "'gone': not there in the workspace"),
        ("file:///etc", "'file:///etc': not allowed here; allowed: sample:, s3://, https://, a path in the workspace"),
        ("filecache::s3://bucket/x", "not allowed here"),
        ("s3://bucket/x::file:///etc", "not allowed here"),
        ("http://169.254.169.254/latest", "not allowed here"),
        ("ssh://host/x", "not allowed here"),
        ("$(touch x)", "not there in the workspace"),
    ],
)
def test_images_elsewhere_are_refused_in_either_field(root: Path, uri: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"images: ingest.sources.0.uri: .*{re.escape(said)}"):
        checked_params(root, Settings(), "workspace", [Images(uri=uri)], ())
    with pytest.raises(ConfigError, match=f"overrides: ingest.sources.0.uri: .*{re.escape(said)}"):
        _overridden(root, "ingest.sources.0.uri", f"'{uri}'")


@pytest.mark.parametrize(
    "key", ["pretrain.init_from", "distill.teacher", "embed.retrieval", "ingest.filters", "embed.copy"]
)
def test_files_elsewhere_are_refused_wherever_a_parameter_names_one(root: Path, key: str) -> None:
    value = {
        "embed.retrieval": "{kind: backbone, weights: /etc/passwd, resolution: 8}",
        "embed.copy": "{kind: trained, weights: /etc/passwd}",
        "ingest.filters": "[{kind: urls, urls: [/etc/passwd]}]",
    }.get(key, "/etc/passwd")
    with pytest.raises(ConfigError, match=f"overrides: {key}.*: '/etc/passwd': lies outside the workspace"):
        _overridden(root, key, value)


def test_a_given_file_must_be_there_and_a_teacher_that_is_made_need_not(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"overrides: pretrain\.init_from: 'a.safetensors': not there"):
        _overridden(root, "pretrain.init_from", "a.safetensors")
    (root / "a.safetensors").touch()
    assert _overridden(root, "pretrain.init_from", "a.safetensors")
    assert _overridden(root, "pretrain.init_from", "models:/dinov2-highres@champion")
    assert _overridden(root, "distill.teacher", "weights/pretrain.training.safetensors")


def test_what_the_workspace_names_itself_may_lie_anywhere(root: Path) -> None:
    content = read_yaml(root / "params.yaml")
    content["ingest"]["sources"][0]["uri"] = "/mnt/photos"
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    assert checked_params(root, Settings(), "vitl14", (), [Override(key="seed", value="3")])


def test_what_the_machines_cannot_share_is_said_of_the_field(root: Path) -> None:
    said = "overrides: pretrain.batch_size: 96: its 3 groups .* do not divide over DINOV2_PROCESSES=2"
    with pytest.raises(ConfigError, match=said):
        _overridden(root, "pretrain.batch_size", "96", processes="2")


def test_a_run_in_the_workspace_takes_no_other_parameters() -> None:
    refuse_here("workspace", (), ())
    for field, form in (
        ("preset", ("sample", (), ())),
        ("images", ("workspace", [Images(uri="x")], ())),
        ("overrides", ("workspace", (), [Override(key="seed", value="1")])),
    ):
        with pytest.raises(ConfigError, match=f"{field}: only for a clone of its own; this workspace runs what"):
            refuse_here(*form)  # type: ignore[arg-type]


def test_stages_are_those_of_dvc_yaml(root: Path) -> None:
    check_stages(root, ["ingest", "distill", "distill@S"])
    with pytest.raises(ConfigError, match="stages: '; id': no such stage; there are ingest, embed"):
        check_stages(root, ["ingest", "; id"])
