"""The jobs that stages hand to a launcher which runs them elsewhere."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from dinov2.data.manifest import SCHEMA
from dinov2.launch import Job
from dinov2.launch.kubernetes.config import job_name
from dinov2.settings import Settings
from dinov2.stages import curation_job, embed, evaluate, files, learnt, trained, whole_job
from dinov2.stages.context import Context
from dinov2.stages.params import load_params

ROOT = Path(__file__).parents[2]
STAGES = {"embed": {"indexes": 3}, "retrieve": {"nodes": 2}, "evaluate": {}, "ingest": {}}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """The sample's parameters, files that are empty or nearly so, and a launcher elsewhere."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "k8s").mkdir()
    (tmp_path / "k8s/jobs.yaml").write_text(yaml.safe_dump({"image": "dinov2", "stages": STAGES}))
    (tmp_path / "data").mkdir()
    texts = {field.name: field.name for field in SCHEMA if field.type == pa.string()}
    numbers = {field.name: 64 for field in SCHEMA if pa.types.is_integer(field.type)}
    rows = [texts | numbers | {"key": str(n), "sha256": f"{n:064}", "role": "pool"} for n in range(4)]
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), tmp_path / files.MANIFEST)
    for name in (files.SOURCES, files.GIVEN, files.SETS, files.UNIQUE, files.EMBEDDINGS):
        (tmp_path / name).write_text("{}")
    return Context(tmp_path, load_params(tmp_path), Settings(launcher="kubernetes", store=str(tmp_path / "store")))


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Jobs that were launched; nothing runs."""
    jobs: list[Job] = []
    for module in (curation_job, whole_job, learnt):
        monkeypatch.setattr(module, "launch", lambda job, *_: jobs.append(job))
    return jobs


def names(job: Job, root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in job.inputs]


def test_a_step_elsewhere_is_a_job_even_of_one_index(context: Context, launched: list[Job]) -> None:
    curation_job.in_advance(context, "ingest")
    curation_job.in_advance(context, "embed")
    curation_job.all_together(context, "retrieve")
    assert [(job.stage, job.arguments, job.indexes) for job in launched] == [
        ("ingest", ("ingest",), 1),
        ("embed", ("embed",), 3),
        ("retrieve", ("retrieve", "together"), 1),
    ]
    assert names(launched[0], context.root) == [files.SOURCES, files.GIVEN]
    assert names(launched[1], context.root) == [files.MANIFEST, files.SOURCES, files.GIVEN]
    assert len({job_name(job) for job in launched}) == 3


def test_a_job_is_named_by_what_it_reads_and_where_it_writes(context: Context) -> None:
    before = curation_job.job_of(context, "retrieve").key
    assert curation_job.job_of(context, "retrieve").key == before
    assert curation_job.job_of(context, "retrieve", "together").key != before
    assert curation_job.job_of(context, "retrieve", indexes=2).key != before
    elsewhere = replace(context, settings=context.settings.model_copy(update={"store": "memory://other"}))
    assert curation_job.job_of(elsewhere, "retrieve").key != before
    other = replace(context, params=context.params.model_copy(update={"seed": 1}))
    assert curation_job.job_of(other, "retrieve").key != before
    (context.root / files.UNIQUE).write_text("other")
    assert curation_job.job_of(context, "retrieve").key != before


def test_files_that_parameters_name_go_along(context: Context) -> None:
    content = yaml.safe_load((context.root / "params.yaml").read_text())
    content["ingest"]["filters"] = [{"kind": "urls", "urls": ["lists/blocked.txt"]}]
    (context.root / "params.yaml").write_text(yaml.safe_dump(content))
    (context.root / "lists").mkdir()
    (context.root / "lists/blocked.txt").write_text("")
    blocking = replace(context, params=load_params(context.root))
    assert "lists/blocked.txt" in names(curation_job.job_of(blocking, "ingest"), context.root)
    assert "lists/blocked.txt" not in names(curation_job.job_of(blocking, "embed"), context.root)


def test_an_evaluation_elsewhere_is_a_job_with_its_files(context: Context, launched: list[Job]) -> None:
    (context.root / "weights").mkdir()
    (context.root / files.weights("S")).write_text("")
    evaluate.run(context, "S")
    (job,) = launched
    assert (job.module, job.arguments, job.stage) == ("dinov2.stages.whole_job", ("evaluate", "S"), "evaluate")
    assert {files.MANIFEST, files.SETS, files.weights("S")} < set(names(job, context.root))
    assert [path.relative_to(context.root) for path in job.outputs] == list(map(Path, evaluate.writes("S")))


def test_features_are_shared_out_among_indexes_before_an_evaluation(context: Context, launched: list[Job]) -> None:
    jobs = context.root / "k8s/jobs.yaml"
    jobs.write_text(yaml.safe_dump({"image": "dinov2", "stages": STAGES | {"evaluate": {"indexes": 3}}}))
    (context.root / "weights").mkdir()
    (context.root / files.weights("S")).write_text("")
    evaluate.run(context, "S")
    ahead, job = launched
    assert (ahead.arguments, ahead.indexes, ahead.stage) == (("evaluate", "S", "share"), 3, "evaluate")
    assert (ahead.inputs, ahead.outputs, job.indexes) == (job.inputs, (), 1)
    assert ahead.key != job.key
    before = job.key
    (context.root / files.SETS).write_text('{"camvid": "other"}')
    assert whole_job.job_of(context, "evaluate", "S").key != before


def test_what_a_job_s_process_calls_launches_nothing(
    context: Context, launched: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, str]] = []
    monkeypatch.setattr(evaluate, "here", lambda context, item: done.append((context.settings.launcher, item)))
    monkeypatch.chdir(context.root)
    for name, value in {"LAUNCHER": "local", "PROCESSES": "7", "STORE": "store"}.items():
        monkeypatch.setenv(f"DINOV2_{name}", value)
    whole_job.main("evaluate", "S")  # seven do not share out the sample's batches, which is no concern of it
    assert done == [("local", "S")]
    assert not launched


def test_a_descriptor_learns_elsewhere_unless_the_store_has_it(context: Context, launched: list[Job]) -> None:
    content = yaml.safe_load((context.root / "params.yaml").read_text())
    content["embed"]["copy"] = {"kind": "trained", "steps": 1, "batch_size": 4}
    (context.root / "params.yaml").write_text(yaml.safe_dump(content))
    learning = replace(context, params=load_params(context.root))
    with pytest.raises(AssertionError, match="put into the store"):
        embed.run(learning)
    (job,) = launched
    assert (job.module, job.arguments, job.stage) == ("dinov2.stages.trained", ("copy",), "embed")
    launched.clear()
    config = learning.params.embed.copy_
    name = trained.fitted_name(config, learnt.pool(learning, 4).to_pylist(), learning.params.seed)
    learning.store.write_checked(f"descriptors/{name}.safetensors", b"learnt")
    assert trained.trained(learning, config).read_bytes() == b"learnt"
    assert not launched
