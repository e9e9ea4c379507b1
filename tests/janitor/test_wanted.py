"""What workspaces would go on with, in repositories of git and DVC whose curation is up to date."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dinov2.data.manifest import SCHEMA
from dinov2.janitor.wanted import wanted
from dinov2.settings import Settings
from dinov2.stages import files
from dinov2.stages.context import Context
from dinov2.stages.params import load_params
from dinov2.stages.training_job import work_of
from flows.locks import sole_pipeline
from tests.janitor.conftest import age, claimed, found, make_workspace, write

CURATION = ("ingest", "embed", "deduplicate", "retrieve", "pack")
TABLES = (files.MANIFEST, files.UNIQUE, files.CURATED, files.PACKED)
OTHERS = (files.SOURCES, files.GIVEN, files.REJECTS, files.EMBEDDINGS, files.DUPLICATES)


def dvc(root: Path, *arguments: str) -> None:
    """Run DVC."""
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, env=environment, check=True)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which curation is up to date, as DVC sees it, and nothing is trained; write nothing into it."""
    context = make_workspace(tmp_path_factory.mktemp("template"))
    texts = {field.name: field.name for field in SCHEMA if field.type == pa.string()}
    numbers = {field.name: 64 for field in SCHEMA if pa.types.is_integer(field.type)}
    rows = [texts | numbers | {"key": str(n), "sha256": f"{n:064}"} for n in range(4)]
    for name in (*OTHERS, *(files.metrics(stage) for stage in CURATION[:4] if stage != "embed")):
        write(context.path(name), b"{}")
    for name in TABLES:
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), context.path(name))
    dvc(context.root, "init", "--quiet")
    dvc(context.root, "commit", "--quiet", "--force", *CURATION)
    return context.root


@pytest.fixture
def curated(template: Path, tmp_path: Path) -> Context:
    """A copy of it."""
    root = shutil.copytree(template, tmp_path / "workspace")
    return Context(root, load_params(root), Settings())


def test_a_run_that_is_up_next_is_wanted_and_its_checkpoints_stay(curated: Context) -> None:
    digest = work_of(curated, "pretrain").digest
    assert wanted(curated).digests == {digest}
    for name in (digest, "given-up"):
        age(write(curated.path(f"var/store/training/{name}/00000001.complete")), 30)
        claimed(curated, f"training/{name}")
    assert list(found(curated, "checkpoints", None)) == ["training/given-up"]


def test_what_a_clone_would_go_on_with_is_wanted_too(curated: Context) -> None:
    clone = curated.root / "var/runs/other"
    subprocess.run(["git", "clone", "--quiet", str(curated.root), str(clone)], check=True)
    for name in (".dvc", "data", "metrics", "dvc.lock"):
        subprocess.run(["cp", "-r", str(curated.root / name), str(clone)], check=True)
    text = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(text.replace("epoch_length: 80", "epoch_length: 40"))
    there = Context(clone, load_params(clone), curated.settings)
    digests = {work_of(each, "pretrain").digest for each in (curated, there)}
    assert len(digests) == 2
    assert wanted(curated).digests == digests


def test_of_a_workspace_that_a_pipeline_holds_everything_is_wanted_and_dvc_is_not_asked(curated: Context) -> None:
    digest = work_of(curated, "pretrain").digest
    write(curated.path(files.weights("pretrain")))
    write(curated.path(files.training("pretrain")))
    for name in (files.curve("pretrain"), files.metrics("pretrain")):
        write(curated.path(name), b"{}")
    dvc(curated.root, "commit", "--quiet", "--force", "pretrain")
    assert digest not in wanted(curated).digests, "it is up to date"
    curated.path("dvc.yaml").write_text("nothing that DVC would understand")
    with sole_pipeline(curated.root, "run"):
        there = wanted(curated)
    assert there.unknown == {}
    assert {digest, work_of(curated, "highres").digest} <= there.digests


def test_a_clone_that_cannot_be_understood_is_named(curated: Context) -> None:
    clone = curated.root / "var/runs/odd"
    write(clone / "params.yaml", b"sed: 1\n")
    write(clone / "dvc.yaml", b"stages: {}\n")
    there = wanted(curated)
    assert list(there.unknown) == [clone]
    assert "sed" in there.unknown[clone]
    assert there.by == {curated.root: {work_of(curated, "pretrain").digest}}


def test_a_run_whose_weights_are_on_a_disk_that_is_away_may_go_on_when_it_is_back(curated: Context) -> None:
    """What its checkpoints are called cannot be known meanwhile: so all stay."""
    disk = curated.root.parent / "disk"
    text = curated.path("params.yaml").read_text()
    curated.path("params.yaml").write_text(text.replace("\npretrain:\n", f"\npretrain:\n  init_from: {disk}/start\n"))
    there = Context(curated.root, load_params(curated.root), curated.settings)
    write(disk / "start")
    digest = work_of(there, "pretrain").digest
    for name in (digest, "given-up"):
        age(write(curated.path(f"var/store/training/{name}/00000001.complete")), 30)
        claimed(curated, f"training/{name}")
    assert list(found(there, "checkpoints", None)) == ["training/given-up"]
    disk.rename(disk.with_name("elsewhere"))
    assert "pretrain.init_from" in wanted(there).unknown[there.root]
    assert not found(there, "checkpoints", None)


def test_a_stage_whose_inputs_are_not_made_yet_has_nothing_to_go_on_with(curated: Context) -> None:
    curated.path(files.CURATED).unlink()
    there = wanted(curated)
    assert (there.digests, there.unknown) == (set(), {})


def test_the_jobs_that_a_launcher_would_attach_to_are_wanted(curated: Context) -> None:
    write(curated.path("k8s/jobs.yaml"), b"{image: none, stages: {pretrain: {nodes: 2}}}")
    there = Context(curated.root, curated.params, Settings(launcher="kubernetes", store=curated.store.url))
    assert not wanted(curated).jobs
    assert [name.rpartition("-")[0] for name in wanted(there).jobs] == ["pretrain"]
