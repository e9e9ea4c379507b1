"""What jobs on other machines could not do is refused before any is launched."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dinov2.errors import ConfigError
from dinov2.evaluation.config import EvaluateConfig, SetConfig
from dinov2.settings import Settings
from dinov2.stages.params import Params, check_processes, load_params
from dinov2.stages.reach import check_reach

ROOT = Path(__file__).parents[2]
ELSEWHERE = Settings(launcher="kubernetes", store="s3://bucket")
MOUNTED = {
    "volumes": [{"name": "photographs", "persistentVolumeClaim": {"claimName": "photographs"}}],
    "volume_mounts": [{"name": "photographs", "mountPath": "/photographs"}],
}


def checkout(root: Path, uri: str = "sample:pool", **stages: dict[str, Any]) -> Params:
    """A workspace whose pool is at `uri`, and k8s/jobs.yaml with these stages."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["ingest"]["sources"][0]["uri"] = uri
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    (root / "k8s").mkdir()
    (root / "k8s/jobs.yaml").write_text(yaml.safe_dump({"image": "dinov2", "stages": stages}))
    return load_params(root)


@pytest.mark.parametrize(
    "uri", ["photographs/", "/data/photographs", "shards/{000..009}.tar", "file:///data", "list.parquet"]
)
def test_folders_of_this_machine_are_refused(uri: str, tmp_path: Path) -> None:
    params = checkout(tmp_path, uri, embed={})
    with pytest.raises(
        ConfigError, match=r"ingest\.sources\[0\]\.uri: .*: jobs of stage embed cannot read it; allowed: "
    ):
        check_reach(params, ELSEWHERE, tmp_path)


@pytest.mark.parametrize("uri", ["sample:pool", "s3://bucket/photographs", "https://example.org/list.parquet"])
def test_places_that_pods_can_reach_are_allowed(uri: str, tmp_path: Path) -> None:
    check_reach(checkout(tmp_path, uri, ingest={}, embed={}, pack={}, evaluate={}), ELSEWHERE, tmp_path)


def test_a_path_below_a_mounted_volume_is_allowed_and_others_name_it(tmp_path: Path) -> None:
    params = checkout(tmp_path, "/photographs/pool", embed=MOUNTED)
    check_reach(params, ELSEWHERE, tmp_path)
    (tmp_path / "other").mkdir()
    params = checkout(tmp_path / "other", "/elsewhere/pool", embed=MOUNTED)
    with pytest.raises(ConfigError, match="which are: /photographs"):
        check_reach(params, ELSEWHERE, tmp_path / "other")


def test_a_set_that_jobs_cannot_reach_is_refused_and_below_a_mounted_volume_allowed(tmp_path: Path) -> None:
    params = checkout(tmp_path, evaluate=MOUNTED)
    for path, allowed in (("/photographs/camvid", True), ("/data/camvid", False)):
        own = EvaluateConfig(models=("S",), sets=(SetConfig(name="camvid", path=path),))
        changed = params.model_copy(update={"evaluate": own})
        if allowed:
            check_reach(changed, ELSEWHERE, tmp_path)
            continue
        with pytest.raises(ConfigError, match=r"evaluate\.sets\[0\]\.path: '/data/camvid': .*which are: /photographs"):
            check_reach(changed, ELSEWHERE, tmp_path)
        check_reach(changed, Settings(store="s3://bucket"), tmp_path)


def test_stages_that_read_from_the_store_alone_may_be_elsewhere(tmp_path: Path) -> None:
    params = checkout(tmp_path, "photographs/", pretrain={}, deduplicate={}, retrieve={})
    check_reach(params, ELSEWHERE, tmp_path)
    unpacked = params.model_copy(update={"pack": params.pack.model_copy(update={"write": False})})
    with pytest.raises(ConfigError, match="jobs of stage pretrain cannot read it"):
        check_reach(unpacked, ELSEWHERE, tmp_path)


def test_on_this_machine_all_is_reached(tmp_path: Path) -> None:
    params = checkout(tmp_path, "photographs/", embed={}, evaluate={"nodes": 4})
    check_reach(params, Settings(), tmp_path)


def test_a_stage_of_one_process_cannot_have_several(tmp_path: Path) -> None:
    params = checkout(tmp_path, evaluate={"nodes": 2, "gpus": 2})
    with pytest.raises(ConfigError, match=r"stages\.evaluate: asks for 4 processes; it is done by one"):
        check_reach(params, ELSEWHERE, tmp_path)


def test_batches_are_shared_out_among_the_processes_of_all_pods(tmp_path: Path) -> None:
    params = checkout(tmp_path, pretrain={"nodes": 2, "processes": 1}, distill={"nodes": 2, "processes": 2})
    with pytest.raises(
        ConfigError, match=r"distill\.batch_size: .* the 4 processes that k8s/jobs\.yaml has for stages\.d"
    ):
        check_processes(params, ELSEWHERE, tmp_path)
