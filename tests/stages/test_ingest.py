"""The stage and the scan in a workspace of real files."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dinov2.data.config import IngestConfig, SourceConfig
from dinov2.data.manifest import read_manifest
from dinov2.data.sample import truth
from dinov2.errors import ConfigError
from dinov2.settings import Settings
from dinov2.stages import ingest, scan
from dinov2.stages.context import Context
from dinov2.stages.params import load_params
from dinov2.storage import Store, file_sha256

ROOT = Path(__file__).parents[2]
OUTPUTS = ("data/manifest.parquet", "data/rejects.parquet", "metrics/ingest.json")


@pytest.fixture
def workspace(tmp_path: Path, sample_store: Store) -> Callable[..., Context]:
    """`workspace(source, ...)`: a context whose store holds the sample."""

    def make(*sources: SourceConfig) -> Context:
        params = load_params(ROOT).model_copy(update={"ingest": IngestConfig(sources=sources)})
        return Context(tmp_path, params, Settings(store=sample_store.url))

    return make


SAMPLE = (
    SourceConfig(name="web", uri="sample:pool", role="pool"),
    SourceConfig(name="trusted", uri="sample:curated", role="curated", test_fraction=0),
    SourceConfig(name="objects", uri="sample:labelled", role="evaluation", test_fraction=0.4),
)


def test_the_sample_is_taken_in_as_its_truth_says(workspace: Callable[..., Context], sample_store: Store) -> None:
    context = workspace(*SAMPLE)
    ingest.run(context)
    rows = read_manifest(context.path("data/manifest.parquet")).to_pylist()
    names = {"pool": "web", "curated": "trusted", "labelled": "objects"}
    known = truth(sample_store).to_pylist()
    assert {row["key"] for row in rows} == {f"{names[t['set']]}/{t['file']}" for t in known if not t["reason"]}
    assert {row["role"] for row in rows if row["source"] == "objects"} == {"evaluation"}
    counts = json.loads(context.path("metrics/ingest.json").read_text())
    assert counts["rejected"] == sum(counts["rejects"].values()) == sum(bool(t["reason"]) for t in known)
    before = [file_sha256(context.path(name)) for name in OUTPUTS]
    ingest.run(context)
    assert [file_sha256(context.path(name)) for name in OUTPUTS] == before


def test_no_output_names_the_machine(workspace: Callable[..., Context], tmp_path: Path) -> None:
    context = workspace(*SAMPLE)
    ingest.run(context)
    scan.run(context)
    for name in ("metrics/ingest.json", "data/sources.json"):
        assert str(tmp_path.parent) not in context.path(name).read_text()
    for row in read_manifest(context.path("data/manifest.parquet")).to_pylist():
        assert not row["uri"].startswith("/")


def test_scan_writes_only_what_changed(
    workspace: Callable[..., Context], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"1")
    context = workspace(SourceConfig(name="own", uri="photos", role="pool"), *SAMPLE)
    path = context.path("data/sources.json")
    scan.run(context)
    first = path.read_text()
    assert sorted(json.loads(first)) == ["objects", "own", "trusted", "web"]
    written = path.stat().st_mtime_ns
    scan.run(context)
    assert path.stat().st_mtime_ns == written
    assert "changed: none" in capsys.readouterr().out
    (tmp_path / "photos" / "b.jpg").write_bytes(b"2")
    scan.run(context)
    assert json.loads(path.read_text())["own"] != json.loads(first)["own"]
    assert json.loads(path.read_text())["web"] == json.loads(first)["web"]
    assert "changed: own" in capsys.readouterr().out


def test_scan_notes_the_weights_that_are_given(workspace: Callable[..., Context], tmp_path: Path) -> None:
    context = workspace(*SAMPLE)
    pretrain = context.params.pretrain.model_copy(update={"init_from": "weights/released.pth"})
    context = replace(context, params=context.params.model_copy(update={"pretrain": pretrain}))
    with pytest.raises(ConfigError, match=r"pretrain\.init_from: 'weights/released\.pth': no such file in"):
        scan.run(context)
    (tmp_path / "weights").mkdir()
    found = []
    for content in (b"one", b"other"):
        (tmp_path / "weights" / "released.pth").write_bytes(content)
        scan.run(context)
        found.append(json.loads(context.path("data/weights.json").read_text()))
    assert [list(each) for each in found] == [["weights/released.pth"]] * 2
    assert found[0] != found[1]


def test_files_of_filters_are_noted_and_what_they_do_is_counted(
    workspace: Callable[..., Context], tmp_path: Path
) -> None:
    context = workspace(*SAMPLE)
    filters = [{"kind": "urls", "domains": ["blocked.txt"]}, {"kind": "exact"}]
    config = IngestConfig.model_validate({"sources": SAMPLE, "filters": filters})
    context = replace(context, params=context.params.model_copy(update={"ingest": config}))
    with pytest.raises(ConfigError, match=r"ingest\.filters\.0\.domains\.0: 'blocked\.txt': no such file in"):
        scan.run(context)
    (tmp_path / "blocked.txt").write_text("example.org\n")
    scan.run(context)
    noted = json.loads(context.path("data/weights.json").read_text())
    assert noted == {"blocked.txt": file_sha256(tmp_path / "blocked.txt")}
    ingest.run(context)
    counts = json.loads(context.path("metrics/ingest.json").read_text())
    assert list(counts["filters"]) == ["exact", "urls"]
    assert counts["filters"]["urls"] == {"rejected": 0}
