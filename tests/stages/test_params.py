import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from dinov2.errors import ConfigError
from dinov2.settings import Settings
from dinov2.stages.params import check_processes, load_params

ROOT = Path(__file__).parents[2]
PRESETS = sorted(path.name for path in (ROOT / "presets").glob("*.yaml"))


def changed(tmp_path: Path, key: str, value: Any) -> Path:
    """A workspace whose params.yaml differs from the sample's in one key."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    *sections, name = key.split(".")
    section = content
    for part in sections:
        section = section[part]
    section[name] = value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_whole_params_file(name: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "presets" / name, tmp_path / "params.yaml")
    params = load_params(tmp_path)
    assert params.evaluate.models == ("highres", *params.distill.students)


def test_the_sample_preset_is_what_the_checkout_starts_with() -> None:
    assert (ROOT / "presets" / "sample.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("pretrain.crops.sise", 3, r"pretrain\.crops\.sise: no such parameter; allowed here: .*global_size"),
        ("pretrian", {}, r"pretrian: no such parameter; allowed here: .*pretrain"),
        ("pretrain.batch_size", "many", r"pretrain\.batch_size: 'many': .*integer"),
        ("pretrain.batch_size", 0, r"pretrain\.batch_size: 0: .*greater than 0"),
        ("pretrain.precision", "fp8", r"pretrain\.precision: 'fp8': .*'bf16', 'fp16' or 'fp32'"),
        ("pretrain.crops.global_size", 50, r"crops\.global_size 50 is not a multiple of model\.patch_size"),
        ("highres.global_size", 16, r"highres\.global_size 16 is below pretrain\.crops\.global_size"),
        (
            "highres.global_size",
            70,
            r"highres: global_size 70, local_size \d+: not multiples of pretrain\.model\.patch_size",
        ),
        ("distill.models.S.patch_size", 3, r"distill\.models\.S\.patch_size 3 is not its teacher's, \d+"),
        (
            "highres.local_size",
            128,
            r"highres: global_size 64, local_size 128: the local crop must not be",
        ),
        (
            "distill.local_size",
            50,
            r"distill: global_size \d+, local_size 50: not multiples of pretrain",
        ),
        ("evaluate.resolution", 50, r"evaluate\.resolution 50 is not a multiple of pretrain\.model\.patch_size 8"),
        ("evaluate.pca_resolution", 130, r"evaluate\.pca_resolution 130 is not a multiple"),
        ("distill.students", ["S", "S"], r"students 'S': names must differ, and not be pretrain or highres"),
        ("distill.students", ["highres"], r"students 'highres': names must differ"),
        ("distill.warmup_epochs", -1, r"distill\.warmup_epochs: -1: .*greater than or equal to 0"),
        ("distill.student_momentum", [5, 1], r"distill\.student_momentum\.0: 5: .*less than or equal to 1"),
        ("distill.warmup_epochs", 999, r"distill\.warmup_epochs 999 is not below distill\.epochs"),
        ("pretrain.model.arch", "vit_hug", r"arch 'vit_hug'; allowed: vit_base, vit_giant2"),
        ("distill.models.S.arch", "resnet", r"distill\.models\.S: arch 'resnet'; allowed: vit_base"),
        ("distill.students", ["XL"], r"students 'XL' has no entry in models; there are: B, L, S"),
        ("evaluate.models", ["H"], r"evaluate\.models 'H'; allowed: highres, S, B, L"),
        ("evaluate.datasets", ["imagenet"], r"evaluate\.datasets 'imagenet'; sources are: pool, curated, labelled"),
        ("pretrain.optimiser.warmup_epochs", 10_000, r"optimiser\.warmup_epochs 10000 is not below epochs"),
        ("ingest.sources", [], r"no source has role: pool"),
        ("pretrain.batch_size", 40, r"pretrain: batch_size 40 is not a multiple of group_size 32"),
        ("distill.batch_size", 40, r"distill: batch_size 40 is not a multiple of group_size 32"),
        ("seed", -1, r"seed: -1: .*greater than or equal to 0"),
    ],
)
def test_a_wrong_parameter_is_refused_naming_key_value_and_what_is_allowed(
    key: str, value: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_params(changed(tmp_path, key, value))


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    del content["highres"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=r"params\.yaml: highres: missing"):
        load_params(tmp_path)


def test_a_batch_that_cannot_be_shared_out_is_refused(tmp_path: Path) -> None:
    params = load_params(changed(tmp_path, "pretrain.batch_size", 96))
    with pytest.raises(ConfigError, match=r"pretrain\.batch_size: 96: its 3 groups .* divide over DINOV2_PROCESSES=4"):
        check_processes(params, Settings(processes=4), ROOT)


def test_processes_that_cannot_be_divided_into_neighbourhoods_are_refused() -> None:
    params = load_params(ROOT)
    check_processes(params, Settings(processes=2, shard_over=2), ROOT)
    for shard_over in (3, 4):
        with pytest.raises(ConfigError, match=rf"DINOV2_SHARD_OVER: {shard_over}: .* divide DINOV2_PROCESSES=2"):
            check_processes(params, Settings(processes=2, shard_over=shard_over), ROOT)


def test_what_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("a: [1, 2")
    with pytest.raises(ConfigError, match=r"params\.yaml: not valid YAML"):
        load_params(tmp_path)


def test_a_password_in_a_source_is_refused_and_not_repeated(tmp_path: Path) -> None:
    uri = "s3://key:hunter2@bucket/pool"
    source = {"name": "own", "uri": uri, "role": "pool"}
    with pytest.raises(ConfigError, match=r"sources\.0\.uri: 's3://\*\*\*@bucket/pool': its URL has a") as told:
        load_params(changed(tmp_path, "ingest.sources", [source]))
    assert "hunter2" not in str(told.value)
