"""The way back from registered weights to the pool."""

import hashlib
import json

import pytest

from dinov2.runs.lineage import lineage
from dinov2.stages.context import Context
from dinov2.storage import file_sha256


def test_json_has_every_stage_with_what_it_read_and_who_made_that(
    recorded: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    lineage(recorded, "models:/dinov2-S/1", as_json=True)
    found = json.loads(capsys.readouterr().out)
    made = recorded.root / "var" / "runs" / "first"
    assert found["weights"] == {
        "path": "weights/S.safetensors",
        "sha256": file_sha256(made / "weights" / "S.safetensors"),
    }
    assert [stage["name"] for stage in found["stages"]] == ["ingest", "pretrain"]
    assert [read["made_by"] for stage in found["stages"] for read in stage["reads"]] == [None, "ingest", None]
    assert found["given"]["models:/x@champion"]["version"] == "models:/x/3"
    assert found["stages"][1]["params"] == {"seed": 0}
    manifest = (made / "data" / "manifest.parquet").read_bytes()
    assert found["manifest"] == {"path": "data/manifest.parquet", "md5": hashlib.md5(manifest).hexdigest()}
    assert found["run"]["branch"] == "runs/first"
    assert found["sources"][0] == {"name": "pool", "role": "pool", "uri": "sample:pool", "listing": "abc"}


def test_the_tree_ends_at_the_sources_of_the_pool(recorded: Context, capsys: pytest.CaptureFixture[str]) -> None:
    lineage(recorded, "models:/dinov2-S/1", as_json=False)
    told = capsys.readouterr().out
    assert "models:/x@champion: models:/x/3\n" in told
    assert "weights/start.safetensors: sha256 ffffffffffff\n" in told
    depth = {line.strip(" │├└─"): len(line) - len(line.lstrip(" │├└─")) for line in told.splitlines()}
    order = [key.split(":")[0] for key in depth]
    assert order[:4] == ["models", "run first", "dvc.lock", "weights/S.safetensors"]
    assert (
        depth["pool pool: sample:pool, listing abc"] > depth["ingest: cat input.txt $MORE > data/manifest.parquet"] > 0
    )
